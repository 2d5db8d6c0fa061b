import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { destination, pino } from 'pino';
import { readConfig } from './config-file.ts';
import { SupervisorError } from './errors.ts';
import { createSupervisor } from './supervisor.ts';

const usage = `Usage: supervise CONFIG.(json|yaml) [--check]

Starts the services of the file in order, restarts them, and stops them in reverse on SIGTERM or SIGINT.
SIGHUP reads the file again. A second SIGTERM or SIGINT ends at once.

  --check     say whether the file is right, start nothing
  --version   print the version
  --help      print this
`;

/** Resolves with the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      check: { type: 'boolean' },
      version: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.version === true) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const [path, ...rest] = positionals;
  if (path === undefined || rest.length > 0) {
    process.stderr.write(usage);
    return 2;
  }
  const config = await readConfig(path);
  if (values.check === true) {
    process.stdout.write(`${path}: ok, ${Object.keys(config.services).length} services\n`);
    return 0;
  }
  const logger = pino({ name: 'supervise', redact: ['env'] }, destination({ dest: 2, sync: true }));
  const supervisor = createSupervisor({
    ...config,
    logger,
    output: process.stdout,
    environment: process.env,
  });
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => void supervisor.stop());
  process.on('SIGHUP', () => {
    readConfig(path)
      .then((fresh) => supervisor.reload(fresh))
      .then(
        (result) => {
          logger.info(result, 'Configuration read again');
        },
        (error: unknown) => {
          logger.error({ err: error }, 'Configuration not taken: the services run on as they were');
        },
      );
  });
  supervisor.start().then(
    () => {
      logger.info('All services are ready');
    },
    // What went wrong is the result of `done`.
    () => undefined,
  );
  const result = await supervisor.done;
  return result.exitCode;
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

main(process.argv.slice(2)).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    const known =
      error instanceof SupervisorError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE');
    const text =
      error instanceof Error
        ? known === true
          ? error.message
          : (error.stack ?? error.message)
        : String(error);
    process.stderr.write(`supervise: ${text}\n`);
    process.exitCode = known === true ? 2 : 1;
  },
);
