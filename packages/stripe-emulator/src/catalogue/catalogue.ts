import { tableFacts } from './tables.ts';
import type { TableFacts } from './types.ts';

/** One property of an object. */
export interface Column {
  readonly name: string;
  /** i integer, t timestamp, s text, r real, j json, e expandable id, b boolean. */
  readonly type: string;
  /** May be null. */
  readonly nullable: boolean;
  /** May be absent. */
  readonly optional: boolean;
  /** Text that is a decimal number. */
  readonly decimal: boolean;
}

/** Objects of API versions before the catalogue's that recorded timelines still carry. */
const legacyFacts: readonly TableFacts[] = [
  ['skus', 'sku', 'sku_', 'active ids in_stock product'],
  ['orders', 'order', 'or_', 'customer ids status'],
  ['order_returns', 'order_return', 'orret_', 'order'],
].map(([table = '', object = '', prefix = '', filters = '']) => ({
  table,
  object,
  prefix,
  kind: 'top',
  path: `/v1/${table}`,
  created: true as const,
  filters: filters.split(' '),
  retrieve: `/v1/${table}/{id}`,
  columns: '',
}));

/** The catalogue's tables. */
export const tables: readonly TableFacts[] = tableFacts;
/** Tables of APIs that are gone (orders, skus), served in timeline mode only. */
export const legacyTables: readonly TableFacts[] = legacyFacts;

const byObject = new Map<string, TableFacts>();
for (const facts of [...tableFacts, ...legacyFacts]) {
  if (!byObject.has(facts.object)) byObject.set(facts.object, facts);
}

/** The table in which objects of this kind stand. */
export function tableOf(object: string): TableFacts | undefined {
  return byObject.get(object);
}

/** The properties of a table's objects. */
export function columnsOf(facts: TableFacts): readonly Column[] {
  return facts.columns.split(' ').map((text) => {
    const [name = '', mark = ''] = text.split(':');
    return {
      name,
      type: mark.slice(0, 1),
      nullable: /[~?]/.test(mark),
      optional: mark.includes('?'),
      decimal: mark.endsWith('d') && mark.length > 1,
    };
  });
}
