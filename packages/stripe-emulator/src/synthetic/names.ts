/** Where customers live: share of customers, currency, language, dialling code, cities and names as they are common there. */
export interface Country {
  readonly code: string;
  readonly share: number;
  readonly currency: string;
  readonly locale: string;
  readonly dial: string;
  readonly cities: readonly (readonly [city: string, postalCode: string, state: string | null])[];
  readonly streets: readonly string[];
  readonly first: readonly string[];
  readonly last: readonly string[];
  readonly suffixes: readonly string[];
  readonly domain: string;
  /** Type of business tax id, and how it is written: # is a digit. */
  readonly taxId?: readonly [type: string, pattern: string];
}

const words = (text: string): string[] => text.split(' ');

/** The countries of the made-up company's customers. */
export const countries: readonly Country[] = [
  {
    code: 'US',
    share: 38,
    currency: 'usd',
    locale: 'en-US',
    dial: '+1415555####',
    cities: [
      ['San Francisco', '94110', 'CA'],
      ['Austin', '78704', 'TX'],
      ['Portland', '97214', 'OR'],
      ['Chicago', '60614', 'IL'],
      ['Brooklyn', '11215', 'NY'],
      ['Denver', '80205', 'CO'],
    ],
    streets: ['Valencia Street', 'Main Street', 'Oak Avenue', 'Maple Drive', 'Market Street'],
    first: words(
      'Emily James Olivia Michael Ava Daniel Sophia Ethan Grace Noah Harper Lucas Maya Aiden Zoë Caleb Nora Isaac Leah Owen',
    ),
    last: words(
      'Nguyen Johnson Ramírez Walker Chen O’Connor Patel Brooks Fischer Núñez Morgan Reyes Bailey Coleman Hughes Park',
    ),
    suffixes: ['Inc.', 'LLC', 'Co.', 'Labs'],
    domain: 'com',
  },
  {
    code: 'GB',
    share: 20,
    currency: 'gbp',
    locale: 'en-GB',
    dial: '+44770090####',
    cities: [
      ['London', 'E2 8DP', null],
      ['Manchester', 'M1 2HX', null],
      ['Bristol', 'BS1 4DJ', null],
      ['Edinburgh', 'EH1 1BB', null],
    ],
    streets: ['High Street', 'Church Lane', 'Victoria Road', 'Station Road', 'Mill Lane'],
    first: words(
      'Oliver Amelia George Isla Harry Freya Arthur Siân Niamh Rhys Poppy Alfie Zara Imogen Callum Beatrix',
    ),
    last: words(
      'Smith Jones Llewellyn Begum Murphy Okafor Taylor Singh Whitfield MacDonald Brontë Hargreaves Khan',
    ),
    suffixes: ['Ltd', 'Limited', 'LLP', '& Sons'],
    domain: 'co.uk',
    taxId: ['gb_vat', 'GB#########'],
  },
  {
    code: 'DE',
    share: 14,
    currency: 'eur',
    locale: 'de-DE',
    dial: '+4915112######',
    cities: [
      ['Berlin', '10115', null],
      ['München', '80331', null],
      ['Köln', '50667', null],
      ['Hamburg', '20095', null],
    ],
    streets: ['Hauptstraße', 'Gartenweg', 'Schillerstraße', 'Bahnhofstraße'],
    first: words('Jürgen Anna Lukas Käthe Björn Sophie Günther Lena Jörg Mia Felix Zoë Tobias Änne'),
    last: words('Müller Schröder Weiß Hoffmann Krüger Bäcker Schäfer Yılmaz Lang Böhm Vogel'),
    suffixes: ['GmbH', 'AG', 'UG', 'GmbH & Co. KG'],
    domain: 'de',
    taxId: ['eu_vat', 'DE#########'],
  },
  {
    code: 'FR',
    share: 9,
    currency: 'eur',
    locale: 'fr-FR',
    dial: '+3361234####',
    cities: [
      ['Paris', '75011', null],
      ['Lyon', '69002', null],
      ['Nîmes', '30000', null],
    ],
    streets: ['rue de la République', 'avenue Victor Hugo', 'rue des Écoles'],
    first: words('Chloé Hugo Léa Théo Zoé François Noémie Rémi Hélène Loïc Agnès Anaïs'),
    last: words('Lefèvre Moreau Dubois Gauthier Béranger Renard Poirier Dupré Çelik'),
    suffixes: ['SARL', 'SAS', 'SA'],
    domain: 'fr',
    taxId: ['eu_vat', 'FR###########'],
  },
  {
    code: 'JP',
    share: 8,
    currency: 'jpy',
    locale: 'ja-JP',
    dial: '+8190123#####',
    cities: [
      ['Tokyo', '150-0001', null],
      ['Osaka', '530-0001', null],
      ['Kyoto', '600-8216', null],
    ],
    streets: ['Jingumae', 'Umeda', 'Shijo-dori'],
    first: words('Haruto Yui Sota Hina Ren Aoi Yūto Sakura Daichi Mei Kenji Emi'),
    last: words('Satō Suzuki Takahashi Tanaka Itō Yamamoto Kobayashi Katō Ōno Mori'),
    suffixes: ['K.K.', 'G.K.', 'Co., Ltd.'],
    domain: 'jp',
  },
  {
    code: 'ES',
    share: 6,
    currency: 'eur',
    locale: 'es-ES',
    dial: '+3461234####',
    cities: [
      ['Madrid', '28004', null],
      ['Málaga', '29005', null],
    ],
    streets: ['Calle Mayor', 'Gran Vía', 'Calle de Alcalá'],
    first: words('María José Lucía Andrés Inés Álvaro Sofía Íñigo Carmen Raúl'),
    last: words('García Núñez Fernández Ibáñez Martín Peña Muñoz'),
    suffixes: ['S.L.', 'S.A.'],
    domain: 'es',
    taxId: ['eu_vat', 'ESB########'],
  },
  {
    code: 'SE',
    share: 5,
    currency: 'eur',
    locale: 'sv-SE',
    dial: '+4670123####',
    cities: [
      ['Stockholm', '111 29', null],
      ['Göteborg', '411 03', null],
    ],
    streets: ['Drottninggatan', 'Storgatan', 'Kungsgatan'],
    first: words('Åsa Björn Elsa Örjan Maja Sven Linnéa Oskar'),
    last: words('Lindström Åberg Nyström Söderberg Öhman Berg'),
    suffixes: ['AB', 'HB'],
    domain: 'se',
    taxId: ['eu_vat', 'SE############'],
  },
];

/** Words of which company names are made. */
export const companyWords: readonly string[] = words(
  'Northwind Harbor Juniper Bluebird Kestrel Maple Copper Lantern Meridian Saffron Granite Willow Ember Cobalt Fjord Orchard Pebble Quartz Raven Solstice Tidal Umbra Verdant Wren Zephyr Atlas Birch Cedar Delta Echo',
);
/** What companies do. */
export const companyTrades: readonly string[] = words(
  'Analytics Studio Logistics Bakery Robotics Media Consulting Foods Design Health Travel Education Interiors Energy Books Coffee Cycles Gardens',
);
/** Card brands with their share and the last digits that Stripe's test cards have. */
export const cards: readonly (readonly [brand: string, share: number])[] = [
  ['visa', 55],
  ['mastercard', 33],
  ['amex', 8],
  ['jcb', 2],
  ['discover', 2],
];
