import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { parseCommand, usage } from './cli.ts';
import { createEmulator } from './emulator.ts';
import { EmulatorError } from './errors.ts';

const command = parseCommand(process.argv.slice(2));

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function stop(code: number, message: string): never {
  process.stderr.write(`stripe-emulator: ${message}\n`);
  process.exit(code);
}

switch (command.do) {
  case 'help':
    process.stdout.write(usage);
    break;
  case 'version':
    process.stdout.write(`${version()}\n`);
    break;
  case 'wrong':
    stop(2, `${command.message} (see --help)`);
    break;
  case 'run': {
    const quiet = process.argv.includes('--quiet');
    const logger = pino({ level: 'error' }, pino.destination(2));
    try {
      const emulator = createEmulator({ ...command.options, logger });
      const { url, key } = await emulator.listen();
      if (!quiet) {
        process.stdout.write(
          `Stripe emulator on ${url}\n  account  ${emulator.accountId}\n  key      ${key}\n  status   ${url}/_emulator\n`,
        );
      }
      const end = (): void => {
        emulator.close().then(
          () => process.exit(0),
          (error: unknown) => stop(1, String(error)),
        );
      };
      process.once('SIGTERM', end);
      process.once('SIGINT', end);
      // A child whose parent is gone ends itself: nobody would stop it otherwise.
      process.once('disconnect', end);
    } catch (error) {
      if (error instanceof EmulatorError) stop(error.code === 'EMULATOR_OPTION' ? 2 : 1, error.message);
      throw error;
    }
  }
}
