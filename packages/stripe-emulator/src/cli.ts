import { parseArgs } from 'node:util';
import type { EmulatorOptions, Source } from './options.ts';
import type { FaultSettings } from './faults/settings.ts';

/** What the command line asks for. */
export type Command =
  | { readonly do: 'help' | 'version' }
  | { readonly do: 'wrong'; readonly message: string }
  | { readonly do: 'run'; readonly options: EmulatorOptions };

/** Shown by `--help`. */
export const usage = `stripe-emulator: a stateful Stripe API on localhost

  stripe-emulator [--port P] [--host H]                          an empty account
  stripe-emulator --synthetic CUSTOMERS [--seed S] [--live EVENTS_PER_SECOND]
  stripe-emulator --timeline DIR [--until-step N]

  --port P               port, 0 = any free one (12111)
  --host H               address to listen on (127.0.0.1)
  --key K                the only key that is let in (any well-formed sk_ or rk_ key)
  --admin-token T        for /_emulator when --host is not loopback
  --state-file FILE      keep what happens across restarts
  --account-id ID        acct_…
  --api-version V        version of the payloads of events
  --faults JSON          things that go wrong on purpose; see the README
  --quiet                print nothing but errors
  --help, --version
`;

const wrong = (message: string): Command => ({ do: 'wrong', message });

const flags = {
  host: { type: 'string' },
  port: { type: 'string' },
  key: { type: 'string' },
  'admin-token': { type: 'string' },
  'state-file': { type: 'string' },
  'account-id': { type: 'string' },
  'api-version': { type: 'string' },
  timeline: { type: 'string' },
  'until-step': { type: 'string' },
  synthetic: { type: 'string' },
  seed: { type: 'string' },
  live: { type: 'string' },
  faults: { type: 'string' },
  quiet: { type: 'boolean' },
  help: { type: 'boolean' },
  version: { type: 'boolean' },
} as const;

type Flags = {
  -readonly [name in keyof typeof flags]?: (typeof flags)[name]['type'] extends 'boolean' ? boolean : string;
};

class Wrong extends Error {}

function number(
  values: Flags,
  name: 'port' | 'until-step' | 'synthetic' | 'seed' | 'live',
): number | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  if (!/^\d+(\.\d+)?$/.test(value)) throw new Wrong(`--${name} needs a number, got ${JSON.stringify(value)}`);
  return Number(value);
}

function sourceOf(values: Flags): Source {
  const [untilStep, seed, live] = [
    number(values, 'until-step'),
    number(values, 'seed'),
    number(values, 'live'),
  ];
  const synthetic = number(values, 'synthetic');
  if (values.timeline !== undefined && synthetic !== undefined) {
    throw new Wrong('--timeline and --synthetic exclude each other');
  }
  if (values.timeline === undefined && untilStep !== undefined)
    throw new Wrong('--until-step needs --timeline');
  if (synthetic === undefined && seed !== undefined) throw new Wrong('--seed needs --synthetic');
  if (synthetic === undefined && live !== undefined) throw new Wrong('--live needs --synthetic');
  if (values.timeline !== undefined) {
    return { timeline: values.timeline, ...(untilStep === undefined ? {} : { untilStep }) };
  }
  if (synthetic === undefined) return { empty: true };
  return {
    synthetic,
    ...(seed === undefined ? {} : { seed }),
    ...(live === undefined ? {} : { liveEventsPerSecond: live }),
  };
}

function faultsOf(text: string | undefined): FaultSettings {
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as FaultSettings;
  } catch {
    throw new Wrong('--faults needs JSON, for example {"latencyMs":50}');
  }
}

/** Reads the command line; does nothing yet. */
export function parseCommand(args: readonly string[]): Command {
  let values: Flags;
  try {
    values = parseArgs({ args: [...args], options: flags, strict: true }).values;
  } catch (error) {
    return wrong((error as Error).message.split('.')[0] ?? 'wrong flags');
  }
  if (values.help) return { do: 'help' };
  if (values.version) return { do: 'version' };
  try {
    const text = (name: 'host' | 'key'): string | undefined => values[name];
    const options: EmulatorOptions = {
      source: sourceOf(values),
      port: number(values, 'port') ?? 12111,
      faults: faultsOf(values.faults),
      ...(text('host') === undefined ? {} : { host: values.host ?? '' }),
      ...(text('key') === undefined ? {} : { key: values.key ?? '' }),
      ...(values['admin-token'] === undefined ? {} : { adminToken: values['admin-token'] }),
      ...(values['state-file'] === undefined ? {} : { stateFile: values['state-file'] }),
      ...(values['account-id'] === undefined ? {} : { accountId: values['account-id'] }),
      ...(values['api-version'] === undefined ? {} : { apiVersion: values['api-version'] }),
    };
    return { do: 'run', options };
  } catch (error) {
    if (error instanceof Wrong) return wrong(error.message);
    throw error;
  }
}
