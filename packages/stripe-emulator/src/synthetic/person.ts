import type { CardFacts } from '../shapes/payments.ts';
import { address } from '../shapes/billing.ts';
import type { Company } from './company.ts';
import type { History } from './facts.ts';
import { cards, companyTrades, companyWords, countries } from './names.ts';
import { pick, weighted, type Random } from './random.ts';

const digits = (random: Random, pattern: string): string =>
  pattern.replaceAll('#', () => String(Math.floor(random() * 10)));

/** Letters as they stand in most e-mail addresses; some people keep their accents. */
const plain = (text: string): string =>
  text
    .replaceAll('ß', 'ss')
    .replaceAll('Ø', 'O')
    .replaceAll('ø', 'o')
    .replaceAll('ı', 'i')
    .normalize('NFD')
    .replaceAll(/[\u0300-\u036f]/g, '');

const localPart = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '.');

function cardOf(random: Random, country: string, at: number): CardFacts {
  const brand = weighted(random, cards);
  const year = new Date(at * 1000).getUTCFullYear();
  return {
    brand,
    last4: String(1000 + Math.floor(random() * 9000)),
    expMonth: 1 + Math.floor(random() * 12),
    expYear: year + 3 + Math.floor(random() * 3),
    country,
    funding: weighted(random, [
      ['credit', 60],
      ['debit', 36],
      ['prepaid', 4],
    ]),
    fingerprint: Math.floor(random() * 2 ** 52)
      .toString(36)
      .padStart(16, 'F')
      .slice(0, 16),
  };
}

/** Draws who the customer is. */
export function personOf(random: Random, company: Company, signup: number): Omit<History, 'owner' | 'lists'> {
  const country = weighted(
    random,
    countries.map((one) => [one, one.share] as const),
  );
  const [first, last] = [pick(random, country.first), pick(random, country.last)];
  const business = random() < 0.55;
  const [city, postalCode, state] = pick(random, country.cities);
  const trade = `${pick(random, companyWords)} ${pick(random, companyTrades)}`;
  const name = business ? `${trade} ${pick(random, country.suffixes)}` : `${first} ${last}`;
  const number = Math.floor(random() * 90) + 1;
  const keepsAccents = random() < 0.12;
  const spell = (text: string): string => localPart(keepsAccents ? text : plain(text));
  // Reserved domains: nobody gets mail from a demo.
  const host = business ? `${spell(trade).replaceAll('.', '-')}.example` : 'mail.example';
  const email = business ? `${spell(first)}@${host}` : `${spell(`${first} ${last}`)}${number}@${host}`;
  const taxId = country.taxId;
  const taxIdValue = business && taxId !== undefined && random() < 0.6 ? digits(random, taxId[1]) : undefined;
  return {
    country,
    currency: country.currency,
    name,
    business,
    shortName: `${first} ${last}`,
    billing: {
      name,
      email,
      phone: random() < 0.5 ? digits(random, country.dial) : null,
      address: address({
        city,
        country: country.code,
        line1: `${number} ${pick(random, country.streets)}`,
        postal_code: postalCode,
        state,
      }),
    },
    card: cardOf(random, country.code, signup),
    taxRate: company.taxRates.get(country.code),
    taxIdValue,
    exempt: taxIdValue !== undefined && country.code !== 'GB' ? 'reverse' : 'none',
  };
}
