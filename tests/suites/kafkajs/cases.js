/*
 * The cases of kafkajs: BOOTSTRAP as the only argument, one line per case, see suite.py.
 *
 * The consumer of kafkajs always joins a group, so the cases in this file read through its cluster and broker objects:
 * the same requests, decoders and decompression as in its consumer, with the partitions chosen here. Groups are in
 * groups.js.
 */
'use strict'

const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const Cluster = require('kafkajs/src/cluster')
const createConnectionBuilder = require('kafkajs/src/cluster/connectionPoolBuilder')
const createSocketFactory = require('kafkajs/src/network/socketFactory')
const { createLogger } = require('kafkajs/src/loggers')
const consoleLogger = require('kafkajs/src/loggers/console')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4js')
const xxh32 = require('lz4js/xxh32')
const zstd = require('@bokuweb/zstd-wasm')

const BOOTSTRAP = process.argv[2]
const RUN = Math.random().toString(16).slice(2, 10).padEnd(8, '0')
const RECORDS = 2000
const WAIT_MS = 20000
const SOME_TIME_MS = 1600000000000

CompressionCodecs[CompressionTypes.Snappy] = snappy
/* Kafka wants frames of independent blocks. lz4js says "linked", which is no difference in a frame of one block. */
function independentLz4(bytes) {
  const frame = Buffer.from(lz4.compress(bytes))
  frame[4] |= 0x20
  frame[6] = (xxh32.hash(0, frame, 4, 2) >> 8) & 0xff
  return frame
}

CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => independentLz4(encoder.buffer),
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
})

const kafka = new Kafka({ brokers: [BOOTSTRAP], logLevel: logLevel.NOTHING, retry: { retries: 3 } })
let admin

function check(condition, what) {
  if (!condition) throw new Error(what)
}

function equal(found, expected, what) {
  const [f, e] = [found, expected].map((value) => JSON.stringify(value))
  check(f === e, `${what}: found ${f}, expected ${e}`)
}

async function fails(type, promise) {
  const error = await promise.then(() => null, (reason) => reason)
  check(error !== null, `no ${type}`)
  const types = [error, error.cause, ...(error.errors || [])].filter(Boolean).map((e) => e.type || e.name)
  check(types.includes(type), `${types.join(', ')} instead of ${type}: ${error.message}`)
}

async function create(name, partitions, configEntries = []) {
  const topic = `${name}-${RUN}`
  equal(await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] }), true, 'created')
  return topic
}

async function withProducer(options, act) {
  const producer = kafka.producer(options)
  await producer.connect()
  try {
    return await act(producer)
  } finally {
    await producer.disconnect()
  }
}

async function withCluster(act) {
  const logger = createLogger({ level: logLevel.NOTHING, logCreator: consoleLogger })
  const socketFactory = createSocketFactory()
  const cluster = new Cluster({ logger, brokers: [BOOTSTRAP], socketFactory, offsets: new Map(), retry: { retries: 3 },
    metadataMaxAge: 300000, connectionTimeout: 5000, requestTimeout: 30000, enforceRequestTimeout: true,
    authenticationTimeout: 5000, reauthenticationThreshold: 10000, clientId: 'suite' })
  await cluster.connect()
  try {
    return await act(cluster)
  } finally {
    await cluster.disconnect()
  }
}

/* The records of a topic by partition: `count` of them, from the offsets given. */
async function read(topic, partitions, count, { from = 0, isolationLevel = 0, maxBytes = 1 << 20 } = {}) {
  return withCluster(async (cluster) => {
    await cluster.addTargetTopic(topic)
    const found = Array.from({ length: partitions }, () => [])
    const deadline = Date.now() + WAIT_MS
    let n = 0
    while (n < count && Date.now() < deadline) {
      const leaders = cluster.findLeaderForPartitions(topic, [...found.keys()])
      for (const [node, places] of Object.entries(leaders)) {
        const broker = await cluster.findBroker({ nodeId: node })
        const response = await broker.fetch({ maxWaitTime: 100, minBytes: 1, maxBytes: 16 << 20, isolationLevel,
          topics: [{ topic, partitions: places.map((p) => ({ partition: p, maxBytes,
            fetchOffset: String(from + found[p].length) })) }] })
        for (const { partition, messages } of response.responses.flatMap((r) => r.partitions)) {
          for (const message of messages) {
            if (Number(message.offset) < from + found[partition].length) continue
            equal(Number(message.offset), from + found[partition].length, `offset in partition ${partition}`)
            found[partition].push(message)
            n++
          }
        }
      }
    }
    equal(n, count, 'records read')
    return found
  })
}

async function roundTrip(topic, partitions, count, send = {}, options = {}) {
  const sent = Array.from({ length: partitions }, () => [])
  const messages = []
  for (let i = 0; i < count; i++) {
    const message = { key: `key ${i}`, value: `value ${i} ` + 'x'.repeat(i % 300), partition: i % partitions }
    messages.push(message)
    sent[i % partitions].push(message)
  }
  await withProducer(options, async (producer) => {
    for (let i = 0; i < count; i += 500) await producer.send({ topic, messages: messages.slice(i, i + 500), ...send })
  })
  const found = await read(topic, partitions, count)
  for (let p = 0; p < partitions; p++) {
    check(found[p].every((m, i) => m.key.toString() === sent[p][i].key && m.value.toString() === sent[p][i].value),
      `partition ${p} is not as sent`)
  }
}

const trip = (name, partitions, count, send, options) => async () =>
  roundTrip(await create(name, partitions), partitions, count, send, options)

async function describe(topic) {
  const answer = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: 2, name: topic }] })
  return Object.fromEntries(answer.resources[0].configEntries.map((entry) => [entry.configName, entry.configValue]))
}

const CASES = {
  cluster: async () => {
    const cluster = await admin.describeCluster()
    check(cluster.brokers.length >= 1 && cluster.clusterId && cluster.controller !== null, JSON.stringify(cluster))
  },

  'topics: create, list, describe, delete': async () => {
    const topic = await create('life', 3)
    check((await admin.listTopics()).includes(topic), 'not listed')
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    equal(topics[0].partitions.length, 3, 'partitions')
    check(topics[0].partitions.every((p) => p.replicas.includes(p.leader)), 'leader is no replica')
    equal(await admin.createTopics({ topics: [{ topic }] }), false, 'a second time')
    await fails('INVALID_REPLICATION_FACTOR',
      admin.createTopics({ topics: [{ topic: topic + 'x', replicationFactor: 30 }] }))
    await fails('INVALID_TOPIC_EXCEPTION', admin.createTopics({ topics: [{ topic: 'no spaces' }] }))
    await admin.deleteTopics({ topics: [topic] })
    check(!(await admin.listTopics()).includes(topic), 'listed after delete')
    await fails('UNKNOWN_TOPIC_OR_PARTITION', admin.deleteTopics({ topics: [topic] }))
  },

  'partitions: add': async () => {
    const topic = await create('grow', 1)
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await fails('INVALID_PARTITIONS', admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }))
    await roundTrip(topic, 5, 500)
  },

  'configs: describe and alter a topic': async () => {
    const topic = await create('conf', 1, [{ name: 'retention.ms', value: '3600000' }])
    equal((await describe(topic))['retention.ms'], '3600000', 'retention.ms')
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic,
      configEntries: [{ name: 'max.message.bytes', value: '65536' }] }] })
    const values = await describe(topic)
    equal([values['max.message.bytes'], values['retention.ms']], ['65536', '604800000'], 'settings')
    await fails('INVALID_CONFIG', admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic,
      configEntries: [{ name: 'retention.ms', value: 'soon' }] }] }))
  },

  'configs: describe a broker': async () => {
    const { brokers } = await admin.describeCluster()
    const answer = await admin.describeConfigs({ includeSynonyms: false,
      resources: [{ type: 4, name: String(brokers[0].nodeId) }] })
    check(answer.resources[0].configEntries.length > 20, 'not more than 20 settings')
  },

  'produce: acks=0': trip('acks0', 4, RECORDS, { acks: 0 }),
  'produce: acks=1': trip('acks1', 4, RECORDS, { acks: 1 }),
  'produce: acks=all': trip('acksall', 4, RECORDS, { acks: -1 }),
  'produce: idempotent': trip('idempotent', 4, RECORDS, {}, { idempotent: true }),
  'codec: none': trip('codec-none', 4, RECORDS),
  'codec: gzip': trip('codec-gzip', 4, RECORDS, { compression: CompressionTypes.GZIP }),
  'codec: snappy': trip('codec-snappy', 4, RECORDS, { compression: CompressionTypes.Snappy }),
  'codec: lz4': trip('codec-lz4', 4, RECORDS, { compression: CompressionTypes.LZ4 }),
  'codec: zstd': trip('codec-zstd', 4, RECORDS, { compression: CompressionTypes.ZSTD }),
  'produce: 100 partitions': trip('hundred', 100, RECORDS),

  'produce: topic made on demand': async () => {
    const topic = `demand-${RUN}`
    const answer = await withProducer({}, (producer) => producer.send({ topic, messages: [{ value: 'v' }] }))
    equal(answer[0].baseOffset, '0', 'offset')
  },

  'headers, null and empty keys and values, timestamps': async () => {
    const topic = await create('forms', 1)
    const all = Buffer.from([...Array(256).keys()])
    const forms = [{ key: null, value: null }, { key: '', value: '', headers: { a: ['1', '2'], '\u00fc': all } },
      { key: null, value: 'v' }, { key: 'k', value: null }, { key: 'k', value: '', headers: { empty: '' } }]
    await withProducer({}, (producer) => producer.send({ topic, messages: forms.map((message, i) =>
      ({ ...message, partition: 0, timestamp: String(SOME_TIME_MS + i) })) }))
    const text = (value) => (value === null ? null : value.toString('latin1'))
    const found = (await read(topic, 1, forms.length))[0]
    equal(found.map((m) => [text(m.key), text(m.value)]), forms.map((m) => [m.key, m.value]), 'keys and values')
    equal(found[1].headers.a.map(text), ['1', '2'], 'a header given twice')
    equal(text(found[1].headers['\u00fc']), text(all), 'all bytes in a header')
    equal(found.map((m) => Number(m.timestamp)), forms.map((_, i) => SOME_TIME_MS + i), 'timestamps')
  },

  'timestamps: LogAppendTime': async () => {
    const topic = await create('append-time', 1, [{ name: 'message.timestamp.type', value: 'LogAppendTime' }])
    await withProducer({}, (producer) => producer.send({ topic,
      messages: [{ value: 'v', timestamp: String(SOME_TIME_MS) }] }))
    const message = (await read(topic, 1, 1))[0][0]
    check(Math.abs(Date.now() - Number(message.timestamp)) < 60000, `timestamp ${message.timestamp}`)
  },

  'offsets: earliest, latest, by time': async () => {
    const topic = await create('times', 1)
    await withProducer({}, async (producer) => {
      for (let i = 0; i < 100; i += 10) {
        const messages = [...Array(10).keys()].map((j) => ({ value: 'v', timestamp: String(SOME_TIME_MS + 10 * (i + j)) }))
        await producer.send({ topic, messages })
      }
    })
    const { low, high } = (await admin.fetchTopicOffsets(topic))[0]
    equal([low, high], ['0', '100'], 'low and high')
    equal((await admin.fetchTopicOffsetsByTimestamp(topic, SOME_TIME_MS + 495))[0].offset, '50', 'by time')
    equal((await admin.fetchTopicOffsetsByTimestamp(topic, SOME_TIME_MS + 5000))[0].offset, '100', 'after the last')
    equal((await read(topic, 1, 10, { from: 90 }))[0].length, 10, 'records from 90')
  },

  'consume: read_committed': async () => {
    const topic = await create('committed', 1)
    await roundTrip(topic, 1, 100)
    await read(topic, 1, 100, { isolationLevel: 1 })
  },

  'consume: offset out of range': async () => {
    await fails('OFFSET_OUT_OF_RANGE', read(await create('range', 1), 1, 1, { from: 1000 }))
  },

  'errors: too large for the topic': async () => {
    const topic = await create('small', 1, [{ name: 'max.message.bytes', value: '1000' }])
    await withProducer({}, async (producer) => {
      await fails('MESSAGE_TOO_LARGE', producer.send({ topic, messages: [{ value: 'x'.repeat(5000) }] }))
      equal((await producer.send({ topic, messages: [{ value: 'x'.repeat(500) }] }))[0].baseOffset, '0', 'offset')
    })
  },

  'errors: unknown topic': async () => {
    await withProducer({ allowAutoTopicCreation: false, retry: { retries: 1 } }, async (producer) =>
      fails('UNKNOWN_TOPIC_OR_PARTITION', producer.send({ topic: `nowhere-${RUN}`, messages: [{ value: 'v' }] })))
  },

  'large records': async () => {
    const topic = await create('large', 1)
    await withProducer({}, async (producer) => {
      for (let i = 0; i < 10; i++) await producer.send({ topic, messages: [{ value: Buffer.alloc(900000, i) }] })
    })
    const found = (await read(topic, 1, 10))[0]
    check(found.every((m, i) => m.value.equals(Buffer.alloc(900000, i))), 'values are not as sent')
  },

  'delete records': async () => {
    const topic = await create('trim', 2)
    await roundTrip(topic, 2, 100)
    await admin.fetchTopicOffsets(topic) // deleteTopicRecords finds no leaders of a topic it has not seen
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '20' }, { partition: 1, offset: '-1' }] })
    equal((await admin.fetchTopicOffsets(topic)).sort((a, b) => a.partition - b.partition).map((p) => p.low),
      ['20', '50'], 'low')
  },
}

async function main() {
  await zstd.init()
  admin = kafka.admin()
  await admin.connect()
  const groups = require('./groups')({ kafka, RUN, check, equal, fails, create, withProducer, admin: () => admin })
  for (const [name, act] of Object.entries({ ...CASES, ...groups })) {
    try {
      await act()
      console.log(`${name}\tpass`)
    } catch (error) {
      console.error(error)
      console.log(`${name}\tfail\t${String(error.message).replace(/\s+/g, ' ')}`)
    }
  }
  await admin.disconnect()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
