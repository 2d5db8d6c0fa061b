import type { Account } from '../api/context.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const short = new Set(['cus_', 'prod_', 'si_']);

/** A new id as Stripe makes them: 14 letters for customers, products and items, else 24 with a part of the account's id. */
export function randomId(account: Account, prefix: string): string {
  const some = (length: number): string => {
    let text = '';
    for (let i = 0; i < length; i++) text += letters.charAt(Math.floor(account.random() * 62));
    return text;
  };
  if (short.has(prefix)) return prefix + some(14);
  return `${prefix}1${some(5)}${account.id.replace('acct_', '').padEnd(10, '0').slice(-10)}${some(8)}`;
}
