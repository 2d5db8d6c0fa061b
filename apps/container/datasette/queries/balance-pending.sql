-- title: Money on its way
-- group: Balance and payouts
-- description: Pending transactions by the day they become available. Payouts that are still under way have left the balance already.
select date(available_on) as day, currency, count(*) as transactions, money(sum(net), currency) as net
from balance_transactions
where status = 'pending' and reporting_category not in ('payout', 'payout_reversal')
group by 1, 2
order by 1, 2
