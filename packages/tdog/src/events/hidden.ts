import { retrievePathOf } from '../download/todo.ts';
import type { Engine } from '../engine.ts';
import type { Write } from '../model/flatten.ts';

/** Kinds whose objects may come to be without any event: made inline, used once, never attached. */
const MAY_BE_HIDDEN: ReadonlySet<string> = new Set([
  'coupons',
  'mandates',
  'payment_methods',
  'prices',
  'products',
  'promotion_codes',
  'reviews',
  'setup_attempts',
  'shipping_rates',
  'tax_rates',
]);

/** Notes what the rows just written refer to and the file does not have; at the end of their transaction. */
export function noteHidden(engine: Engine, writes: readonly Write[]): void {
  const { store, state } = engine;
  for (const write of writes)
    for (const column of write.table.columns) {
      const target = column.references;
      if (target === undefined || !MAY_BE_HIDDEN.has(target)) continue;
      const table = store.model.tables.get(target);
      const id = column.read(write.object, write.parent);
      if (table === undefined || typeof id !== 'string') continue;
      if (store.has(table, id) || store.isDeleted(target, id)) continue;
      if (retrievePathOf(table, id, undefined) !== undefined) state.todo().add(`get:${target}`, id);
    }
}
