import { basic } from './app.ts';

type Row = Readonly<Record<string, string>>;

/** A site under test and its key. */
export interface Site {
  readonly url: string;
  readonly key: string;
}

/** Rows of a query, asked without a browser. */
export async function rows({ url, key }: Site, query: string): Promise<readonly Row[]> {
  const response = await fetch(`${url}/stripe.json?_shape=array&sql=${encodeURIComponent(query)}`, {
    headers: { authorization: basic(key) },
  });
  if (!response.ok) throw new Error(`${query}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Row[];
}

/** The first row of a query; a spec that needs one fails without. */
export async function row(site: Site, query: string): Promise<Row> {
  const [first] = await rows(site, query);
  if (first === undefined) throw new Error(`no row: ${query}`);
  return first;
}
