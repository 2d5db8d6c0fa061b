-- Each month of a customer beside those before and after that count.
beside as materialized (
  select i, customer, currency, mrr, lag(i) over w as last_i, lag(mrr) over w as last_mrr, lead(i) over w as next_i
  from mrr
  window w as (partition by customer, currency order by i)
), moves as (
  -- Who has paid for a subscription before is no new customer.
  select i, customer, currency, mrr as change, case when last_i is not null or exists (
      select 1 from invoices e where e.customer = b.customer and e.currency = b.currency and e.subscription is not null
        and e.amount_paid > 0 and e.created < (select instant from numbered where i = b.i - 1))
    then 'reactivation' else 'new' end as kind
  from beside b where i > 1 and last_i is not i - 1
  union all
  select i, customer, currency, mrr - last_mrr, case when mrr > last_mrr then 'expansion' else 'contraction' end
  from beside where last_i = i - 1 and abs(mrr - last_mrr) > 0.5
  union all
  select i + 1, customer, currency, -mrr, 'churn' from beside where next_i is not i + 1 and i < (select max(i) from numbered)
)
