-- title: Coupons in use
-- group: Subscribers
-- description: Coupons on subscriptions that run, and how many use them.
select d.coupon, c.name, c.percent_off, money(c.amount_off, c.currency) as amount_off, c.currency, c.duration,
  count(distinct d.subscription) as subscriptions, min(d."end") as next_end
from discounts d
join subscriptions s on s.id = d.subscription
left join coupons c on c.id = d.coupon
where s.status in ('active', 'trialing', 'past_due') and (d."end" is null or d."end" > datetime('now'))
group by d.coupon
order by count(distinct d.subscription) desc
