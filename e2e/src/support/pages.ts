import { row, type Site } from './site.ts';

/** Every kind of page, for what is to be true of each; `{name}` stands for an id of {@link ids}. */
export const pages = {
  start: '/',
  'tables and SQL': '/stripe',
  'table of customers': '/stripe/customers?_size=5',
  'table of charges': '/stripe/charges?_size=20',
  'table with groups': '/stripe/charges?_facet=status&_facet=currency&_size=5',
  'table with a filter': '/stripe/invoices?status=paid&_size=5',
  'table with all columns': '/stripe/invoices?_columns=all&_size=3',
  'table of events': '/stripe/events?_size=5',
  'table without a row': '/stripe/charges?status=nothing',
  customer: '/stripe/customers/{customer}',
  invoice: '/stripe/invoices/{invoice}',
  subscription: '/stripe/subscriptions/{subscription}',
  charge: '/stripe/charges/{charge}',
  event: '/stripe/events/{event}',
  search: '/-/search',
  'search with hits': '/-/search?q=example',
  'search without a hit': '/-/search?q=zzqqzzqq',
  dashboards: '/-/dashboards',
  'MRR and movements': '/-/dashboards/mrr',
  'subscribers and cohorts': '/-/dashboards/subscribers',
  revenue: '/-/dashboards/revenue',
  payments: '/-/dashboards/payments',
  receivables: '/-/dashboards/receivables',
  balance: '/-/dashboards/balance',
  tax: '/-/dashboards/tax?currency=eur',
  'dashboard of a time without data': '/-/dashboards/revenue?until=2001-01-01',
  'saved query': '/stripe/top-customers',
  'saved query with many parameters': '/stripe/mrr-movements?months=3',
  'SQL of one’s own': '/stripe?sql=select+id,+customer,+amount,+currency,+status+from+charges+limit+5',
  'SQL without a row': '/stripe?sql=select+id+from+charges+where+0',
  'SQL with an error': '/stripe?sql=select+nothing_of_that_name+from+charges',
  'Sigma SQL': '/-/sigma?sql=select+card_brand,+count(*)+as+n+from+charges+group+by+1',
  'Sigma SQL that cannot be translated': '/-/sigma?sql=select+*+from+radar_rules',
  'no such table': '/stripe/nowhere',
  'no such row': '/stripe/customers/cus_nobody',
  'copyable text': '/stripe/products.copyable',
  progress: '/tdog/progress',
  'share links': '/tdog/links',
  'sign out': '/tdog/sign-out',
} as const;

/** A kind of page. */
export type PageName = keyof typeof pages;

const ids: Readonly<Record<string, string>> = {
  customer:
    'select customer as id from invoices where customer is not null group by 1 order by count(*) desc limit 1',
  invoice:
    "select id from invoices where status <> 'draft' order by attempt_count desc, created desc limit 1",
  subscription: "select id from subscriptions where status = 'active' order by created limit 1",
  charge:
    'select id from charges where customer is not null order by amount_refunded desc, created desc limit 1',
  event: "select id from events where type = 'invoice.paid' limit 1",
};

/** The address of a page, its ids filled in from the data. */
export async function addressOf(site: Site, name: PageName): Promise<string> {
  const path: string = pages[name];
  const wanted = /\{(\w+)\}/.exec(path)?.[1];
  const query = wanted === undefined ? undefined : ids[wanted];
  if (query === undefined) return path;
  return path.replace(/\{\w+\}/, (await row(site, query))['id'] ?? '');
}
