-- title: Customers in trial
-- group: Subscribers
-- description: Trials that run now, those that end first on top, and whether there is a way to pay.
select s.id, s.customer, cu.name, cu.email, s.trial_start, s.trial_end, round(julianday(s.trial_end) - julianday('now'), 1) as days_left,
  s.default_payment_method is not null or cu.default_source is not null or cu.invoice_settings ->> 'default_payment_method' is not null as can_pay
from subscriptions s left join customers cu on cu.id = s.customer
where s.status = 'trialing'
order by s.trial_end
limit 1000
