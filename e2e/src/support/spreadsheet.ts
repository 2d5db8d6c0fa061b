import path from 'node:path';
import { succeed } from './command.ts';

/** A cell as a spreadsheet program would take it. */
export interface Cell {
  readonly kind: 'text' | 'number' | 'date' | 'formula' | 'other';
  readonly value: unknown;
}

const python = path.join(import.meta.dirname, '../../../apps/container/.venv/bin/python');

/** openpyxl's reader is a program of its own kind: it knows nothing of how the site writes. */
const script = `
import json, sys, openpyxl
kinds = {"s": "text", "inlineStr": "text", "n": "number", "d": "date", "f": "formula"}
sheet = openpyxl.load_workbook(open(sys.argv[1], "rb")).worksheets[0]
print(json.dumps([[{"kind": "other" if c.value is None else kinds.get(c.data_type, "other"), "value": c.value} for c in row]
                  for row in sheet.iter_rows()], default=str))
`;

/** The cells of the first sheet of an Excel file. */
export async function readSheet(file: string): Promise<readonly (readonly Cell[])[]> {
  return JSON.parse(await succeed(python, ['-c', script, file])) as Cell[][];
}
