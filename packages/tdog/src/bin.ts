import { setFlagsFromString } from 'node:v8';

import { pino } from 'pino';

import { EXIT_CODES, parseCommand, type Command } from './cli.ts';
import { isSyncError } from './errors.ts';
import { createSync } from './sync.ts';
import { createProgressView, summary, verifyReport } from './terminal.ts';
import { verify } from './verify.ts';

// What a page leaves behind is garbage at once: without this, Node lets up to four times of what is needed pile up. A Node
// that does not know the flag takes no notice.
setFlagsFromString('--heap-growing-percent=100');

async function main(): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  try {
    return await run(parseCommand(process.argv.slice(2), process.env), stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return 0;
    process.stderr.write(`tdog: ${error instanceof Error ? error.message : String(error)}\n`);
    return isSyncError(error) ? (EXIT_CODES[error.code] ?? 1) : 1;
  }
}

async function run(command: Command, signal: AbortSignal): Promise<number> {
  if (command.do === 'print') {
    process.stdout.write(command.text);
    return 0;
  }
  const terminal = process.stderr.isTTY;
  const style = command.progress === 'auto' ? (terminal ? 'bar' : 'json') : command.progress;
  const logger = pino(
    { name: 'tdog', level: process.env['LOG_LEVEL'] ?? (terminal ? 'warn' : 'info'), base: null },
    pino.destination({ fd: 2, sync: true }),
  );
  if (command.do === 'verify') {
    const result = await verify({ ...command.options, logger }, signal);
    process.stdout.write(verifyReport(result));
    return result.ok ? 0 : 1;
  }
  const view = createProgressView(style, process.stderr, Date.now);
  const sync = createSync({ ...command.options, logger, onProgress: (progress) => view.show(progress) });
  const result = await sync.run(signal);
  process.stdout.write(summary(result, command.options.file));
  return result.tables.some((table) => table.state === 'failed') ? 1 : 0;
}

process.exit(await main());
