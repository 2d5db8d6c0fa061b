-- title: Customer 360
-- group: Customers
-- description: One customer on one line each: who, what they pay, what they owe. Give an id or an e-mail; without, the newest customer.
-- param: customer = the newest; an id or an e-mail
with who as (
  select id, name, email, created, currency, balance, delinquent from customers
  where id = (select id from (
    select id, 1 as o from customers where id = :customer
    union all select id, 2 from customers where email = :customer and :customer <> ''
    union all select id, 3 from (select id from customers where :customer = '' order by created desc limit 1)) order by o limit 1)
)
select 'customer' as fact, coalesce(name, '') || ' <' || coalesce(email, '') || '>' as value, id from who
union all select 'since', created, id from who
union all select 'credit balance', money_text(-balance, currency), id from who where balance is not null and currency is not null
union all select 'delinquent', case when delinquent then 'yes' else 'no' end, id from who
union all select 'subscription ' || s.status, coalesce(group_concat(coalesce(pr.name, p.id) || ' x ' || coalesce(si.quantity, 1), ', '), ''), s.id
  from who cross join subscriptions s on s.customer = who.id left join subscription_items si on si.subscription = s.id
  left join prices p on p.id = si.price left join products pr on pr.id = p.product group by s.id
union all select 'paid in ' || c.currency, money_text(sum(c.amount_captured - c.amount_refunded), c.currency), who.id
  from who cross join charges c on c.customer = who.id where +c.status = 'succeeded' group by c.currency
union all select 'refunded in ' || c.currency, money_text(sum(c.amount_refunded), c.currency), who.id
  from who cross join charges c on c.customer = who.id where +c.status = 'succeeded' and c.amount_refunded > 0 group by c.currency
union all select 'failed payments', count(*), who.id from who cross join charges c on c.customer = who.id where +c.status = 'failed'
union all select 'disputes', count(*), who.id from who cross join charges c on c.customer = who.id where c.disputed
union all select 'owes', money_text(sum(i.amount_remaining), i.currency), who.id
  from who cross join invoices i on i.customer = who.id where +i.status = 'open' group by i.currency
union all select 'last payment', max(c.created), who.id from who cross join charges c on c.customer = who.id where +c.status = 'succeeded'
