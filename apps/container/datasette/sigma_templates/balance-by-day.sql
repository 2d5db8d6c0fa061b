-- title: Balance by day
-- description: Net movements of each day, and the balance that they add up to
with daily as (
  select date_trunc('day', created) as day, currency, sum(net) as net
  from balance_transactions
  group by 1, 2
)
select day, currency, net / 100.0 as net, sum(net) over (partition by currency order by day) / 100.0 as balance
from daily
order by day desc
limit 60
