-- title: Money on its way
-- group: Balance and payouts
-- description: Pending transactions by the day they become available.
select date(available_on) as day, currency, count(*) as transactions, money(sum(net), currency) as net
from balance_transactions
where status = 'pending'
group by 1, 2
order by 1, 2
