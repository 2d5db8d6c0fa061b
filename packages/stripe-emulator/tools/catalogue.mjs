// Makes src/catalogue/tables.ts from a catalogue of the Stripe API (facts derived from Stripe's OpenAPI, MIT):
//   node tools/catalogue.mjs catalog.json > src/catalogue/tables.ts
import { readFileSync } from 'node:fs';

const catalogue = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const letter = {
  integer: 'i',
  timestamp: 't',
  text: 's',
  real: 'r',
  json: 'j',
  'expandable-id': 'e',
  boolean: 'b',
};
const column = (c) =>
  `${c.name}:${letter[c.type]}${c.optional ? '?' : c.nullable ? '~' : ''}${c.format === 'decimal-string' ? 'd' : ''}`;
const lines = catalogue.tables.map((t) =>
  JSON.stringify({
    table: t.table,
    object: t.object,
    kind: t.kind,
    ...(t.path ? { path: t.path } : {}),
    ...(t.paginated ? {} : { paginated: false }),
    ...(t.created ? { created: true } : {}),
    ...(t.queryParams?.length ? { filters: t.queryParams } : {}),
    ...(t.requiredListParams?.length ? { required: t.requiredListParams } : {}),
    ...(t.retrievePath ? { retrieve: t.retrievePath } : {}),
    ...(t.deletedStub ? { stub: true } : {}),
    ...(t.deletable ? { deletable: true } : {}),
    prefix: t.idPrefixes?.[0] ?? '',
    ...(t.nestedLists
      ? {
          nested: t.nestedLists.map((n) => ({
            property: n.property,
            path: n.path,
            inline: n.includedByDefault,
          })),
        }
      : {}),
    ...(t.eventTypes?.length ? { events: t.eventTypes } : {}),
    columns: t.columns.map(column).join(' '),
  }),
);
process.stdout.write(`// Made by tools/catalogue.mjs from Stripe's OpenAPI (MIT); do not edit.
import type { TableFacts } from './types.ts';

/** Every table of the Stripe API ${catalogue.apiVersion}: where it is listed, by what it is filtered, what its objects hold. */
export const tableFacts: readonly TableFacts[] = [
${lines.map((l) => `  ${l},`).join('\n')}
];
`);
