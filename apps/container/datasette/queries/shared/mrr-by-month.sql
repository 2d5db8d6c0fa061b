numbered as materialized (
  select row_number() over (order by begin) as i, month, instant, unixepoch(instant) as at from months
), span as materialized (
  -- A line that still counts was billed at most as long ago as the longest price lasts.
  select max(finish) as finish, unixepoch(min(instant)) as first,
    datetime(min(begin), '-' || max(400, 35 + coalesce((select cast(max(months) * 31 as integer) from priced), 0)) || ' days') as earliest
  from months
), gone as materialized (
  select id, unixepoch(case when :cancel = 'now' then coalesce(canceled_at, ended_at) else ended_at end) as at from subscriptions
  where ended_at is not null or canceled_at is not null
), lines as materialized (
  select inv.customer, l.currency, l.period_json ->> 'start' as begin, l.period_json ->> 'end' as finish, gone.at as gone,
    p.unit, p.units, p.months, l.proration, p.unit_amount * l.quantity as price,
    case when l.amount = 0 and :trials = '1' then coalesce(p.unit_amount * l.quantity, 0) else l.amount end as amount,
    case when :coupons = '0' or coalesce(l.discount_amounts, '[]') = '[]' then 0
      else (select sum(value ->> 'amount') from json_each(l.discount_amounts)) end as discount
  -- In the order of ids, which is that of the lines: read one after the other they come many times as fast as by date.
  from span cross join invoices inv on inv.id > '' and +inv.created >= span.earliest and +inv.created < span.finish
    and inv.currency >= :currency and (:currency = '' or +inv.currency = :currency)
  cross join invoice_line_items l on l.invoice = inv.id
  left join priced p on p.id = l.price
  left join gone on gone.id = l.subscription
  where l.subscription is not null and +inv.status in ('paid', 'open', 'draft')
    and l.period_json ->> 'end' >= span.first
    and (:past_due <> '0' or inv.status = 'paid' or coalesce(inv.attempt_count, 0) = 0)
    and (coalesce(p.usage_type, 'licensed') = 'licensed' or :metered = '1')
    and l.currency >= :currency and (:currency = '' or l.currency = :currency)
), prorated as (
  -- A proration line is of a part of a period: how many times it fits into the whole one.
  select *, case when proration and unit is not null and finish > begin then
      (finish - unixepoch(finish, 'unixepoch', '-' || (units * case unit when 'week' then 7 else 1 end) || ' ' || case unit when 'week' then 'day' else unit end)) * 1.0 / (finish - begin)
    end as times
  from lines
), monthly as materialized (
  select customer, currency, begin,
    case when :annual = 'billed' and unit = 'year' then unixepoch(begin, 'unixepoch', '+1 month')
      when gone < finish then gone else finish end as finish,
    -- Stripe has rounded its amount: the price itself, where that is what it was rounded from.
    (case when times is null then amount
        when abs(abs(amount * times) - price) <= 0.5 * times + 0.5 then iif(amount < 0, -price, price)
        else amount * times end - discount * coalesce(times, 1)) * 1.0
      / case when :annual = 'billed' and unit = 'year' then 1
        when unit is null then max((finish - begin) / 2629800.0, 0.03)
        else months end as mrr
  from prorated
), mrr as materialized (
  select n.i, x.customer, x.currency, sum(x.mrr) as mrr
  from monthly x join numbered n on x.begin < n.at and x.finish >= n.at
  group by x.customer, x.currency, n.i
  having sum(x.mrr) > 0.5
)
