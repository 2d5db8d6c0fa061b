// Writes docs/database.md from the catalogue: `node packages/tdog/test/database-doc.ts`. A test compares the file.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { NOT_WALKED, fanOutOf, listsOf } from '../src/download/lists.ts';
import { ALL_TABLES, createModel } from '../src/model/table-model.ts';

/** Where the page stands. */
export const page: string = fileURLToPath(new URL('../../../docs/database.md', import.meta.url));

/** The database reference, from the catalogue. */
export function databaseDoc(): string {
  const model = createModel(
    ALL_TABLES.map((table) => table.table),
    'acct_',
  );
  const lines = [
    '# The database',
    '',
    'Made from the catalogue by `node packages/tdog/test/database-doc.ts`; do not edit.',
    '',
    'Every table begins with `id TEXT PRIMARY KEY`, then its scalar columns, then its JSON columns, and ends with `extra` (JSON of',
    'properties that the catalogue does not know), `insert_ts` and `update_ts`. Times are `YYYY-MM-DD HH:MM:SS` in UTC, amounts are',
    "integers in the currency's smallest unit, booleans are 0 or 1. The engine's own tables are described in [sync.md](sync.md).",
    '',
  ];
  for (const [title, wanted] of [
    ['Core tables', (core: boolean, group: string) => core && group !== 'legacy'],
    ['More tables (`--tables all`)', (core: boolean, group: string) => !core && group !== 'legacy'],
    ['Tables of APIs that are gone', (_core: boolean, group: string) => group === 'legacy'],
  ] as const) {
    lines.push(`## ${title}`, '');
    if (title.startsWith('Tables of'))
      lines.push(
        'Made only when an event of such an object is seen, or with an API version before 2022.',
        '',
      );
    for (const table of model.tables.values()) {
      const { spec } = table;
      if (!wanted(spec.core, spec.group)) continue;
      lines.push(`### ${spec.table}`, '', `Stripe object \`${spec.object}\`. ${sourceOf(spec)}`);
      if (spec.hiddenByDefault !== undefined)
        lines.push('', `Hidden by plain lists: ${spec.hiddenByDefault}.`);
      if (spec.notes !== undefined) lines.push('', spec.notes);
      lines.push('', '| column | type | from | refers to |', '|---|---|---|---|');
      for (const column of table.columns)
        lines.push(
          `| ${column.name} | ${column.json ? 'JSON' : column.sqlType} | ${column.source.replaceAll('|', '\\|')} | ${column.references ?? ''} |`,
        );
      lines.push('');
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function sourceOf(spec: (typeof ALL_TABLES)[number]): string {
  const skipped = NOT_WALKED[spec.table];
  if (skipped !== undefined) return `Not listed: ${skipped}.`;
  const lists = listsOf(spec).map(
    (list) => `\`GET ${list.path}${list.params.length === 0 ? '' : `?${list.params.join('&')}`}\``,
  );
  if (lists.length > 0) return `From ${lists.join(' and ')}.`;
  const fan = fanOutOf(spec);
  if (fan !== undefined) return `From \`GET ${fan.path}\` of ${fan.parentTable}.`;
  const parent = spec.parent?.table ?? spec.embeddedInEventsOf?.replaceAll('|', ', ');
  return parent === undefined ? 'Comes with other objects.' : `Comes with ${parent}.`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, databaseDoc());
