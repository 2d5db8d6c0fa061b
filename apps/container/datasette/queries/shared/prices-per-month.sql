-- Recurring prices and how many months each covers.
priced as materialized (
  select id, product, currency, currency_options, transform_quantity, coalesce(unit_amount, cast(unit_amount_decimal as real)) as unit_amount,
    coalesce(recurring ->> 'usage_type', 'licensed') as usage_type,
    recurring ->> 'interval' as unit, coalesce(recurring ->> 'interval_count', 1) as units,
    coalesce(recurring ->> 'interval_count', 1)
      * case recurring ->> 'interval' when 'year' then 12 when 'month' then 1 when 'week' then 12.0 / 52 when 'day' then 12.0 / 365 end as months
  from prices
)
