steps as materialized (
  select i, customer, currency, mrr, lag(i) over w as i_before, lag(mrr) over w as mrr_before, lead(i) over w as i_after
  from mrr
  window w as (partition by customer, currency order by i)
), appeared as (
  -- Who has paid for a subscription before is no new customer.
  select i, customer, currency, mrr, exists (
    select 1 from invoices e where e.customer = s.customer and e.currency = s.currency and e.subscription is not null
      and e.amount_paid > 0 and e.created < (select instant from numbered where i = s.i - 1)) as known
  from steps s where i > 1 and i_before is null
), moves as (
  select i, customer, currency, case when known then 'reactivation' else 'new' end as kind, mrr as change from appeared
  union all
  select i, customer, currency, 'reactivation', mrr from steps where i_before < i - 1
  union all
  select i, customer, currency, case when mrr > mrr_before then 'expansion' else 'contraction' end, mrr - mrr_before from steps
  where i_before = i - 1 and abs(mrr - mrr_before) > 0.5
  union all
  select i + 1, customer, currency, 'churn', -mrr from steps
  where i < (select max(i) from numbered) and (i_after is null or i_after > i + 1)
)
