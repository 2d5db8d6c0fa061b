-- title: Customers in trial
-- description: Trials that run now
select customers.id, customers.email, subscriptions.trial_start, subscriptions.trial_end,
  date_diff('day', current_date, subscriptions.trial_end) as days_left
from subscriptions
join customers on customers.id = subscriptions.customer_id
where subscriptions.status = 'trialing'
order by subscriptions.trial_end
