-- title: Renewals of the next days
-- group: Subscribers
-- description: Subscriptions whose period ends soon and that go on; without a figure where the price depends on tiers.
-- param: days = 14
select s.id, s.customer, cu.name, s.current_period_end as renews, coalesce(s.currency, p.currency) as currency,
  money(sum(case when s.currency is null or s.currency = p.currency then coalesce(p.unit_amount, cast(p.unit_amount_decimal as real))
    else p.currency_options ->> ('$.' || s.currency || '.unit_amount') end * coalesce(si.quantity, 1)), coalesce(s.currency, p.currency)) as before_discounts
from subscriptions s
join subscription_items si on si.subscription = s.id
join prices p on p.id = si.price
left join customers cu on cu.id = s.customer
where s.status in ('active', 'trialing') and s.cancel_at_period_end = 0 and (s.cancel_at is null or s.cancel_at > s.current_period_end)
  and s.current_period_end between datetime('now') and datetime('now', '+' || coalesce(nullif(:days, ''), '14') || ' days')
group by s.id, coalesce(s.currency, p.currency)
order by s.current_period_end
limit 1000
