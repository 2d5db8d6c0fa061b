-- Each month of a customer beside the one before.
changes as materialized (
  select customer, currency, i, iif(sum(mrr) > 0.5, sum(mrr), 0) as mrr, iif(sum(mrr_before) > 0.5, sum(mrr_before), 0) as mrr_before
  from (
    select x.customer, x.currency, n.i, x.mrr, 0 as mrr_before
    from monthly x join numbered n on x.begin < n.at and x.finish >= n.at
    union all
    select x.customer, x.currency, n.i + 1, 0, x.mrr
    from monthly x join numbered n on x.begin < n.at and x.finish >= n.at and n.i < (select max(i) from numbered)
  )
  group by customer, currency, i
), ends as materialized (
  select i, customer, currency, mrr, mrr_before, lag(i) over (partition by customer, currency order by i) as end_before
  from changes
  where (mrr = 0) <> (mrr_before = 0)
), appeared as (
  -- Who has paid for a subscription before is no new customer.
  select i, customer, currency, mrr, end_before is not null or exists (
    select 1 from invoices e where e.customer = s.customer and e.currency = s.currency and e.subscription is not null
      and e.amount_paid > 0 and e.created < (select instant from numbered where i = s.i - 1)) as known
  from ends s where i > 1 and mrr_before = 0
), moves as (
  select i, customer, currency, case when known then 'reactivation' else 'new' end as kind, mrr as change from appeared
  union all
  select i, customer, currency, case when mrr > mrr_before then 'expansion' else 'contraction' end, mrr - mrr_before from changes
  where mrr > 0 and mrr_before > 0 and abs(mrr - mrr_before) > 0.5
  union all
  select i, customer, currency, 'churn', -mrr_before from ends where mrr = 0
)
