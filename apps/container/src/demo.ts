import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContainerError } from './errors.ts';
import { demoAccountPrefix } from './mirror-file.ts';

/** The made-up account of a data folder. Made once, so that account, key and history survive a restart. */
export interface DemoAccount {
  readonly key: string;
  readonly accountId: string;
  /** Where the emulator keeps what has happened. */
  readonly stateFile: string;
}

/**
 * Reads the demo's account, or makes it.
 *
 * @throws {@link ContainerError} CONFIGURATION when the file was changed by hand
 */
export function demoAccount(dataDir: string): DemoAccount {
  const known = knownDemoAccount(dataDir);
  if (known !== undefined) return known;
  const { folder, file, stateFile } = paths(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const account = {
    key: ['sk', 'test', `demo${randomBytes(12).toString('hex')}`].join('_'),
    accountId: demoAccountPrefix + randomBytes(6).toString('hex'),
  };
  // Written beside and renamed: a crash leaves no half account, whose mirror nobody could go on with.
  writeFileSync(`${file}.new`, `${JSON.stringify(account)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return { ...account, stateFile };
}

/** The account of the demo that has run in this folder, if one has. @throws {@link ContainerError} CONFIGURATION */
export function knownDemoAccount(dataDir: string): DemoAccount | undefined {
  const { file, stateFile } = paths(dataDir);
  return existsSync(file) ? { ...parse(file), stateFile } : undefined;
}

/** Makes way for a new demo. Returns where the old one is kept. */
export function setDemoAside(dataDir: string, now: Date): string {
  const { folder } = paths(dataDir);
  const target = `${folder}.old-${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
  renameSync(folder, target);
  return target;
}

function paths(dataDir: string): {
  readonly folder: string;
  readonly file: string;
  readonly stateFile: string;
} {
  const folder = join(dataDir, 'demo');
  return { folder, file: join(folder, 'account.json'), stateFile: join(folder, 'stripe.sqlite') };
}

function parse(file: string): Pick<DemoAccount, 'key' | 'accountId'> {
  try {
    const { key, accountId } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    if (typeof key === 'string' && typeof accountId === 'string') return { key, accountId };
    throw new Error('a property is missing');
  } catch (error) {
    throw new ContainerError(
      'CONFIGURATION',
      `DATA_DIR: ${file} is not what the demo wrote; remove the folder it is in to begin a new demo`,
      { cause: error },
    );
  }
}
