// Reads the AsyncAPI document with AsyncAPI's own parser, and records by what it says.
//
//   node asyncapi.mjs DOCUMENT           the document alone
//   node asyncapi.mjs DOCUMENT RECORDS   and every record of a file: {topic, key, value, headers} as JSON, one a line;
//                                        key and values are base64, null for none
//
// It needs `npm ci --ignore-scripts` beside it. What was read is printed as JSON; anything that is not as the document
// says ends it with what and where.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Parser } from '@asyncapi/parser';
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import avro from 'avsc';

const [file, records] = process.argv.slice(2);
const faults = [];

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await parser.parse(readFileSync(file, 'utf8'), { source: resolve(file) });
for (const { severity, message, path } of diagnostics) {
  // 0 is an error, 1 a warning; below that are suggestions of style.
  if (severity <= 1) faults.push(`${path.join('.')}: ${message}`);
}
if (!document) end();

const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
const channels = document.channels().all().map((channel) => {
  const address = channel.address();
  const pattern = new RegExp(`^${address.split(/\{[^}]*\}/).map(literally).join('[a-z0-9][a-z0-9._-]*')}$`);
  const messages = channel.messages().all();
  if (messages.length !== 1) faults.push(`${address}: ${messages.length} messages, and a topic has one`);
  const [message] = messages;
  const kafka = message.bindings().get('kafka')?.value();
  return {
    address,
    pattern,
    headers: ajv.compile(message.headers()?.json() ?? {}),
    key: ajv.compile(kafka?.key ?? {}),
    // As the schema stands in its file: what the parser makes of it is JSON Schema, which cannot read Avro.
    value: kafka?.schemaIdLocation === 'payload' ? avroOf(message) : null,
    count: 0,
  };
});

if (records) for (const line of readFileSync(records, 'utf8').split('\n').filter(Boolean)) read(JSON.parse(line));
end();

function literally(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function avroOf(message) {
  return avro.Type.forSchema(message.json().payload['x-parser-original-payload']);
}

function read({ topic, key, value, headers }) {
  const channel = channels.find(({ pattern }) => pattern.test(topic));
  if (!channel) return void faults.push(`${topic}: no channel has this address`);
  channel.count += 1;
  const fault = (what) => faults.push(`${topic}, record ${channel.count}: ${what}`);
  const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, text(value)]));
  if (!channel.headers(texts)) fault(`headers: ${ajv.errorsText(channel.headers.errors)}`);
  if (key === null || !channel.key(text(key))) fault(`key: ${ajv.errorsText(channel.key.errors)}`);
  if (value === null) {
    if (topic !== 'booking.canonical') fault('has no value, and only a state can be erased');
    return;
  }
  if (!channel.value) return;
  const bytes = Buffer.from(value, 'base64');
  if (bytes.readUInt8(0) !== 0 || bytes.length < 6) return void fault("is not in Confluent's wire format");
  try {
    // The whole datum and no byte more. Records of this version, whose writers have the schemas beside the document.
    channel.value.fromBuffer(bytes.subarray(5));
  } catch (error) {
    fault(`value: ${error.message}`);
  }
}

function text(base64) {
  return base64 === null ? null : Buffer.from(base64, 'base64').toString('utf8');
}

function end() {
  if (faults.length > 0) {
    console.error(faults.slice(0, 20).join('\n'));
    process.exit(1);
  }
  console.log(JSON.stringify(Object.fromEntries(channels.map(({ address, count }) => [address, count]))));
  process.exit(0);
}
