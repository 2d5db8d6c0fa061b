-- title: Payout reconciliation
-- group: Balance and payouts
-- description: Each automatic payout beside the net of what became available since the one before, in its currency. Stripe's API says which transactions a payout holds only payout by payout; a difference points to a negative balance, a reserve, or a manual payout between.
-- param: since = 180 days ago
-- param: currency = each
with listed as (
  select id, created, currency, amount, status,
    lag(created, 1, '') over (partition by currency order by created) as before
  from payouts
  where automatic = 1
)
select l.id, l.created, l.currency, money(l.amount, l.currency) as paid_out, l.status,
  count(t.net) as transactions, money(coalesce(sum(t.net), 0), l.currency) as became_available,
  money(l.amount - coalesce(sum(t.net), 0), l.currency) as difference
from listed l
left join balance_transactions t on t.available_on > l.before and t.available_on <= l.created and +t.currency = l.currency and t.type <> 'payout'
where l.created >= coalesce(nullif(:since, ''), datetime('now', '-180 days')) and (:currency = '' or l.currency = :currency)
group by l.id
order by l.created desc
