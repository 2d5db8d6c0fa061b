-- title: Transactions of payouts
-- description: What each automatic payout holds
select t.id as payout, t.date, bt.reporting_category, count(*) as transactions, sum(bt.net) as net
from transfers t
join balance_transactions bt on bt.automatic_transfer_id = t.id
where t.automatic and t.date >= current_date - interval '30' day
group by 1, 2, 3
order by t.date desc
