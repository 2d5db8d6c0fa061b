-- title: Renewals of the next days
-- group: Subscribers
-- description: Subscriptions whose period ends soon and that go on.
-- param: days = 14
select s.id, s.customer, cu.name, s.current_period_end as renews, p.currency,
  money(sum(p.unit_amount * coalesce(si.quantity, 1)), p.currency) as before_discounts
from subscriptions s
join subscription_items si on si.subscription = s.id
join prices p on p.id = si.price
left join customers cu on cu.id = s.customer
where s.status in ('active', 'trialing') and s.cancel_at_period_end = 0 and p.unit_amount is not null
  and s.current_period_end between datetime('now') and datetime('now', '+' || coalesce(nullif(:days, ''), '14') || ' days')
group by s.id, p.currency
order by s.current_period_end
limit 1000
