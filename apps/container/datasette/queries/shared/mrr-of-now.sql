-- One row per item of a subscription that counts: its price x quantity per month, in the subscription's currency.
items as (
  select s.id as subscription, s.customer, coalesce(s.currency, p.currency) as currency, p.product, p.id as price, p.months, si.id as item, s.discounts,
    case when s.currency is null or s.currency = p.currency then p.unit_amount else p.currency_options ->> ('$.' || s.currency || '.unit_amount') end * 1.0
      * case p.transform_quantity ->> 'round'
        when 'up' then (coalesce(si.quantity, 1) + (p.transform_quantity ->> 'divide_by') - 1) / (p.transform_quantity ->> 'divide_by')
        when 'down' then coalesce(si.quantity, 1) / (p.transform_quantity ->> 'divide_by')
        else coalesce(si.quantity, 1) end / p.months as monthly
  from subscriptions s
  join subscription_items si on si.subscription = s.id
  join priced p on p.id = si.price
  where p.months is not null
    and (s.status = 'active' or (s.status = 'past_due' and :past_due <> '0') or (s.status = 'trialing' and :trials = '1'))
    and (p.usage_type = 'licensed' or :metered = '1')
), running as not materialized (
  -- Discounts that have not run out.
  select d.customer, d.subscription, d.subscription_item, d.id, d.invoice is null and d.checkout_session is null and d.invoice_item is null as lasting,
    c.percent_off, c.amount_off, c.currency, c.currency_options, nullif(c.applies_to ->> 'products', '[]') as products
  from discounts d join coupons c on c.id = d.coupon
  where d."end" is null or d."end" > datetime('now')
), listed as (
  -- Each as [place, percent, amount]; a discount that is limited to products is taken off their items.
  select i.*,
    (select json_group_array(json_array(0, r.percent_off, case when r.currency = i.currency then r.amount_off else r.currency_options ->> ('$.' || i.currency || '.amount_off') end))
      from running r where r.subscription_item = i.item or (r.subscription = i.subscription and r.subscription_item is null
        and r.products is not null and i.product in (select value from json_each(r.products)))) as of_item,
    (select json_group_array(json_array(instr(i.discounts, r.id), r.percent_off, case when r.currency = i.currency then r.amount_off else r.currency_options ->> ('$.' || i.currency || '.amount_off') end))
      from running r where r.subscription = i.subscription and r.subscription_item is null and r.products is null) as of_subscription,
    -- A customer's own discount is for subscriptions that have none.
    (select json_group_array(json_array(0, r.percent_off, case when r.currency = i.currency then r.amount_off else r.currency_options ->> ('$.' || i.currency || '.amount_off') end))
      from running r where r.customer = i.customer and r.subscription is null and r.subscription_item is null and r.lasting and r.products is null
        and not exists (select 1 from running o where o.subscription = i.subscription or o.subscription_item = i.item)) as of_customer
  from items i
), reduced as materialized (
  select subscription, customer, currency, product, price, months, iif(:coupons = '0', '[]', iif(of_subscription = '[]', of_customer, of_subscription)) as off,
    iif(:coupons = '0' or of_item = '[]', monthly, discounted(monthly, of_item, months)) as monthly
  from listed
), mrr as (
  select *, monthly as mrr from reduced where off = '[]'
  union all
  -- An amount taken off a subscription is taken off its items in proportion.
  select *, monthly * discounted(sum(monthly) over w, off, months) / nullif(sum(monthly) over w, 0) from reduced where off <> '[]'
  window w as (partition by subscription, months)
)
