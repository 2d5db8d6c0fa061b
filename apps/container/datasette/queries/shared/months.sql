months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
)
