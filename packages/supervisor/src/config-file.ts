import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parse } from 'yaml';
import { SupervisorError } from './errors.ts';
import { resolveServices } from './options.ts';
import schema from './schema.json' with { type: 'json' };
import { schemaFaults } from './schema-check.ts';
import type { SupervisorOptions } from './types.ts';

/** What a configuration file can say. */
export type ConfigFile = Pick<
  SupervisorOptions,
  'services' | 'logDir' | 'logFiles' | 'redact' | 'stopTimeoutMs'
>;

/**
 * Reads and checks `*.yaml`, `*.yml` or JSON, to the published schema.json.
 * @throws {@link SupervisorError} CONFIG_FILE, OPTIONS
 */
export async function readConfig(path: string): Promise<ConfigFile> {
  let value: unknown;
  try {
    const text = await readFile(path, 'utf8');
    value = ['.yaml', '.yml'].includes(extname(path)) ? parse(text) : JSON.parse(text);
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new SupervisorError('CONFIG_FILE', `${path}: ${line}`, { cause: error });
  }
  const faults = schemaFaults(schema, value);
  if (faults.length > 0) throw new SupervisorError('OPTIONS', faults.join('\n'), { faults });
  const { redact, services, logDir, logFiles, stopTimeoutMs } = value as Omit<ConfigFile, 'redact'> & {
    readonly redact?: readonly (string | { readonly pattern: string })[];
  };
  const config: ConfigFile = {
    services,
    ...(logDir === undefined ? {} : { logDir }),
    ...(logFiles === undefined ? {} : { logFiles }),
    ...(stopTimeoutMs === undefined ? {} : { stopTimeoutMs }),
    ...(redact === undefined
      ? {}
      : { redact: redact.map((entry) => (typeof entry === 'string' ? entry : new RegExp(entry.pattern))) }),
  };
  resolveServices(config, {});
  return config;
}
