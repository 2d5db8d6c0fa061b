-- title: Monthly summary
-- description: Activity of each month by reporting category
select date_format(date_trunc('month', created), '%Y-%m') as month, reporting_category, currency,
  count(*) as count, sum(amount) as amount, sum(fee) as fee, sum(net) as net
from balance_transactions
where created >= date_trunc('month', data_load_time) - interval '6' month
group by 1, 2, 3
order by 1 desc, 2
