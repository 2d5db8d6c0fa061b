-- title: Fees by type
-- description: Fee details of the last three months
select date_trunc('month', bt.created) as month, fd.type, fd.currency, sum(fd.amount) as fees
from balance_transaction_fee_details fd
join balance_transactions bt on bt.id = fd.balance_transaction_id
where bt.created > data_load_time - interval '3' month
group by 1, 2, 3
order by 1 desc
