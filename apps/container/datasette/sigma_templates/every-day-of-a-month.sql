-- title: Charges on every day, empty days included
-- description: With sequence and unnest
with days as (
  select day from unnest(sequence(date_trunc('day', data_load_time) - interval '13' day, date_trunc('day', data_load_time), interval '1' day)) as t (day)
)
select days.day, count(charges.id) as charges, coalesce(sum(charges.amount), 0) as amount
from days
left join charges on date_trunc('day', charges.created) = days.day and charges.paid
group by 1
order by 1
