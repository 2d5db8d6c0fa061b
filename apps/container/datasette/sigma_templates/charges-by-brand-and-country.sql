-- title: Charges by card brand and country
-- description: Successful charges
select card_brand, card_country, currency, count(*) as charges, sum(amount) as amount
from charges
where paid = true and created >= date '2020-01-01'
group by card_brand, card_country, currency
order by charges desc
