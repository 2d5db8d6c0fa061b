import { readFileSync, statSync } from 'node:fs';
import { AuthProxyError } from '../errors.ts';
import { digest } from '../secrets.ts';
import type { Authenticator, AuthResult, Identity } from './authenticator.ts';
import { createBcryptQueue } from './bcrypt-queue.ts';
import { createKnownGood } from './known-good.ts';

/** Options of {@link htpasswd}. */
export interface HtpasswdOptions {
  /** File of lines `user:$2y$…` (bcrypt; made by `htpasswd -B`). Read again when it changes. */
  readonly file: string;
}

const LINE = /^([^:]+):(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})$/;
// An unknown user costs the same as a known one: a real hash (of 32 random bytes), at the file's usual cost.
const NOBODY = '.hGpG0mZ1wM6y3bC9r8SuOjY2Qd0T1m0YkVgF5lqfH8o3pQ6bN7Wa';
// Looking at the file's time on each request would be a system call each; a changed password may take a second.
const RELOAD_EVERY_MS = 1_000;

/**
 * Lets in the users of an htpasswd file. bcrypt only: the other formats can be cracked.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_HTPASSWD_UNREADABLE`
 */
export function htpasswd({ file }: HtpasswdOptions): Authenticator {
  let users = readUsers(file);
  let stamp = stampOf(file);
  let lookedAt = Date.now();
  const queue = createBcryptQueue();
  const knownGood = createKnownGood();

  const reload = (): void => {
    if (Date.now() - lookedAt < RELOAD_EVERY_MS) return;
    lookedAt = Date.now();
    try {
      const newStamp = stampOf(file);
      if (newStamp === stamp) return;
      users = readUsers(file);
      stamp = newStamp;
    } catch {
      // While an editor writes, the file may be missing or half; what was read before stands.
    }
  };
  const identityOf = (username: string, hash: string): Identity => ({
    by: 'htpasswd',
    label: username,
    fingerprint: digest(hash).toString('base64url'),
  });

  return {
    name: 'htpasswd',
    form: 'user-password',
    formLabel: 'Password',
    authenticate: async ({ via, username, secret, clientKey, spendGuess }): Promise<AuthResult> => {
      if (via === 'bearer' || via === 'url') return { outcome: 'unknown' };
      reload();
      const hash = users.byName.get(username);
      if (hash !== undefined && knownGood.has(clientKey, username, secret, hash)) {
        return { outcome: 'granted', identity: identityOf(username, hash) };
      }
      if (!(await spendGuess())) return { outcome: 'limited' };
      const same = await queue.compare(clientKey, secret, hash ?? users.nobody);
      if (same === undefined) return { outcome: 'limited' };
      if (!same || hash === undefined) return { outcome: 'unknown' };
      knownGood.add(clientKey, username, secret, hash);
      return { outcome: 'granted', identity: identityOf(username, hash) };
    },
    stillGood: ({ label, fingerprint }) => {
      reload();
      const hash = users.byName.get(label);
      return hash !== undefined && digest(hash).toString('base64url') === fingerprint
        ? { outcome: 'granted', identity: identityOf(label, hash) }
        : { outcome: 'unknown' };
    },
    close: () => queue.close(),
  };
}

function readUsers(file: string): { byName: Map<string, string>; nobody: string } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AuthProxyError(
      'AUTH_PROXY_HTPASSWD_UNREADABLE',
      `Cannot read ${file}: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  const byName = new Map<string, string>();
  let cost = '10';
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = LINE.exec(line.trim());
    if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) {
      throw new AuthProxyError(
        'AUTH_PROXY_HTPASSWD_UNREADABLE',
        `${file}, line ${index + 1}: expected user:bcrypt-hash, as \`htpasswd -B\` writes it`,
      );
    }
    byName.set(match[1], match[2]);
    cost = match[3];
  }
  return { byName, nobody: `$2b$${cost}$${NOBODY}` };
}

function stampOf(file: string): string {
  const { mtimeMs, size, ino } = statSync(file);
  return `${mtimeMs} ${size} ${ino}`;
}
