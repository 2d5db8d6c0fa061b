-- title: Transactions of a payout
-- group: Balance and payouts
-- description: What became available between a payout and the one before: the lines behind its amount. Without a payout, the newest.
-- param: payout = the newest
with chosen as (
  select id, created, currency, coalesce((select max(b.created) from payouts b where b.currency = p.currency and b.automatic = 1 and b.created < p.created), '') as before
  from payouts p
  where id = coalesce(nullif(:payout, ''), (select id from payouts order by created desc limit 1))
)
select t.id, t.created, t.available_on, t.reporting_category, t.amount, t.fee, t.net, t.currency, t.source, t.description
from chosen c join balance_transactions t on t.available_on > c.before and t.available_on <= c.created
where t.currency = c.currency and t.type <> 'payout'
order by t.available_on
