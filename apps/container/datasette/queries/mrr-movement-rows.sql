-- title: Customers whose MRR changed
-- group: MRR
-- description: The rows behind MRR and its movements: every change of one month, by customer.
-- param: month = each, e.g. 2026-05
-- param: kind = each: new, expansion, contraction, churn, reactivation
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
-- param: trials = 0 (1: trials count at their full price)
-- param: metered = 0 (1: metered prices count)
-- param: coupons = 1 (0: before discounts)
-- param: past_due = 1 (0: without what is past due)
-- param: annual = spread (billed: yearly invoices count whole in their month)
-- param: cancel = end (now: gone when cancelled, not when it ends)
with
-- include: months
,
-- include: prices-per-month
,
-- include: mrr-by-month
,
-- include: mrr-moves
select n.month, m.kind, m.customer, cu.name, m.currency, money(m.change, m.currency) as change
from moves m join numbered n on n.i = m.i
left join customers cu on cu.id = m.customer
where (:month = '' or n.month = :month) and (:kind = '' or m.kind = :kind)
order by n.month desc, m.kind, abs(m.change) desc
