import { pino, type Logger, type LoggerOptions } from 'pino';
import type { LogLevel } from './config.ts';

/** `json` for machines that collect logs, `text` for a terminal and for the log files that people read. */
export type LogFormat = 'json' | 'text';

/** Anything that looks like a key or a webhook's secret; no log line may hold one. */
export const secretPattern: RegExp = /\b(?:[sr]k_(?:test|live|org)_|whsec_)\w+/g;

const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/**
 * A pino logger that writes to `write`, one line each.
 *
 * @param write - Takes a whole line with its end.
 */
export function createLogger(level: LogLevel, format: LogFormat, write: (line: string) => void): Logger {
  const options: LoggerOptions = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(options, {
    write: (line: string) => {
      const safe = line.replace(secretPattern, '[redacted]');
      write(format === 'json' ? safe : asText(safe));
    },
  });
}

/** `2026-11-23 18:30:00 info engine: message key=value`; a child's own line as `name | line`. */
function asText(line: string): string {
  const record = JSON.parse(line) as Record<string, unknown>;
  const { level, time, part, msg, service, stream, ...rest } = record;
  if (typeof service === 'string' && typeof stream === 'string' && typeof msg === 'string') {
    return `${service} | ${msg}\n`;
  }
  if (service !== undefined) rest.service = service;
  const when = typeof time === 'string' ? time.slice(0, 19).replace('T', ' ') : '';
  const name = typeof part === 'string' ? `${part}: ` : '';
  const text = typeof msg === 'string' ? msg : '';
  const details = Object.entries(rest).map(([key, value]) => ` ${key}=${valueText(value)}`);
  return `${when} ${levels[Number(level)] ?? 'info'} ${name}${text}${details.join('')}\n`;
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
  if (isError(value)) return JSON.stringify(value.message);
  return JSON.stringify(value);
}

/** An error as pino serialises it: its stack would fill the terminal. */
function isError(value: unknown): value is { message: string } {
  return typeof value === 'object' && value !== null && 'message' in value && 'stack' in value;
}
