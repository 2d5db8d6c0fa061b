import type { Transform } from './legacy.ts';
import { idOf, isObject } from './values.ts';

interface Tax {
  readonly amount?: unknown;
  readonly tax_behavior?: unknown;
  readonly tax_rate_details?: { readonly tax_rate?: unknown } | null;
  readonly taxability_reason?: unknown;
  readonly taxable_amount?: unknown;
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const numbers = (value: unknown): number[] => list(value).filter((item) => typeof item === 'number');

/** What each transform makes of the value found; undefined = as if nothing had been found. */
export const TRANSFORMS: Readonly<Record<Transform, (value: unknown) => unknown>> = {
  same: (value) => value,
  isPaid: (status) => status === 'paid',
  lineType: (type) => (type === 'subscription_item_details' ? 'subscription' : 'invoiceitem'),
  sumAmounts: (taxes) => {
    const amounts = list(taxes).map((tax) => (isObject(tax) ? Number(tax['amount']) : 0));
    return amounts.length === 0 ? null : amounts.reduce((sum, amount) => sum + amount, 0);
  },
  taxAmounts: (taxes) =>
    list(taxes).map((item) => {
      const tax = item as Tax;
      return {
        amount: tax.amount,
        inclusive: tax.tax_behavior === 'inclusive',
        tax_rate: idOf(tax.tax_rate_details?.tax_rate) ?? null,
        taxability_reason: tax.taxability_reason ?? null,
        taxable_amount: tax.taxable_amount ?? null,
      };
    }),
  taxRateIds: (taxes) =>
    list(taxes)
      .map((item) => idOf((item as Tax).tax_rate_details?.tax_rate))
      .filter((id) => id !== undefined),
  wholeNumber: (text) => (typeof text === 'string' && Number.isInteger(Number(text)) ? Number(text) : null),
  min: (value) => {
    const all = numbers(value);
    return all.length === 0 ? undefined : Math.min(...all);
  },
  max: (value) => {
    const all = numbers(value);
    return all.length === 0 ? undefined : Math.max(...all);
  },
  emptyAsNull: (value) => (Array.isArray(value) && value.length === 0 ? null : value),
  firstId: (value) => idOf(list(value)[0]) ?? null,
};
