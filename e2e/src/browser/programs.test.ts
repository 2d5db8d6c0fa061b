import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { GraphQLClient, gql } from 'graphql-request';
import { describe, expect, inject } from 'vitest';
import { basic } from '../support/app.ts';
import { test } from '../support/browse.ts';
import { row, rows, type Site } from '../support/site.ts';

/** An agent's session with the site, ended with the test. */
async function agent({ url, key }: Site): Promise<Client & AsyncDisposable> {
  const client = new Client({ name: 'e2e', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/-/mcp`), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
  });
  await client.connect(transport);
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

async function call(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const answer = await client.callTool({ name, arguments: args });
  const parts = answer.content as { type: string; text?: string }[];
  const text = parts.map((part) => part.text ?? '').join('\n');
  if (answer.isError === true) throw new Error(text);
  return text;
}

describe('MCP', () => {
  test('an agent finds its way from the overview to an answer', async ({ site }) => {
    await using client = await agent(site);
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    expect(names).toEqual(
      expect.arrayContaining(['stripe_overview', 'stripe_describe_table', 'stripe_search', 'execute_sql']),
    );
    for (const tool of tools) expect(tool.description, tool.name).toBeTruthy();

    expect(await call(client, 'stripe_overview')).toContain('smallest unit');
    expect(await call(client, 'stripe_describe_table', { table: 'charges' })).toContain(
      'refers to customers.id',
    );
    const { id, name } = await row(site, 'select id, name from customers where name is not null limit 1');
    expect(await call(client, 'stripe_search', { text: name })).toContain(id);
    const answer = await call(client, 'execute_sql', {
      database: 'stripe',
      sql: 'select count(*) as n from products',
    });
    const [products] = await rows(site, 'select count(*) as n from products');
    expect(answer).toContain(String(products?.['n']));
    expect(await call(client, 'stripe_run_saved_query', { name: 'mrr-now' })).toContain('mrr');
  });

  test('what is wrong comes back as an error of the tool', async ({ site }) => {
    await using client = await agent(site);
    await expect(
      call(client, 'execute_sql', { database: 'stripe', sql: 'delete from charges' }),
    ).rejects.toThrow();
    await expect(
      call(client, 'stripe_translate_sigma', { sql: 'select * from radar_rules' }),
    ).rejects.toThrow(/radar_rules/);
  });

  test('without the key there is no session', async ({ site }) => {
    await expect(agent({ ...site, key: `${site.key}x` })).rejects.toThrow();
  });
});

describe('GraphQL', () => {
  const client = (): GraphQLClient => {
    const { url, key } = inject('demo');
    return new GraphQLClient(`${url}/graphql/stripe`, { headers: { authorization: basic(key) } });
  };

  test('a query follows references, with variables', async ({ site }) => {
    const query = gql`
      query Charges($status: String!) {
        charges(filter: { status: { eq: $status } }, first: 3) {
          totalCount
          nodes {
            id
            amount
            customer {
              id
              name
            }
          }
        }
      }
    `;
    interface Answer {
      readonly charges: {
        readonly totalCount: number;
        readonly nodes: readonly {
          id: string;
          amount: number;
          customer: { id: string; name: string | null };
        }[];
      };
    }
    const { charges } = await client().request<Answer>(query, { status: 'failed' });
    const [counted] = await rows(site, "select count(*) as n from charges where status = 'failed'");
    expect(charges.totalCount).toBe(counted?.['n']);
    const [first] = charges.nodes;
    const known = await row(site, `select amount, customer from charges where id = '${first?.id}'`);
    expect(first).toMatchObject({ amount: known['amount'], customer: { id: known['customer'] } });
  });

  test('leafs through a table with cursors', async () => {
    const query = gql`
      query Page($after: String) {
        prices(first: 7, after: $after) {
          totalCount
          pageInfo {
            hasNextPage
            endCursor
          }
          nodes {
            id
          }
        }
      }
    `;
    interface Answer {
      readonly prices: {
        readonly totalCount: number;
        readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
        readonly nodes: readonly { readonly id: string }[];
      };
    }
    const seen = new Set<string>();
    let after: string | null = null;
    for (;;) {
      const { prices }: Answer = await client().request<Answer>(query, { after });
      for (const { id } of prices.nodes) seen.add(id);
      if (!prices.pageInfo.hasNextPage) {
        expect(seen.size).toBe(prices.totalCount);
        break;
      }
      after = prices.pageInfo.endCursor;
    }
  });

  test('a mistake is told by its name', async () => {
    await expect(client().request('{ charges { nodes { nothing_of_that_name } } }')).rejects.toThrow(
      /nothing_of_that_name/,
    );
  });
});
