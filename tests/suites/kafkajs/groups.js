/*
 * Groups and transactions of kafkajs: joining, rebalancing, committing, administration. `tools` are the words of
 * cases.js.
 */
'use strict'

const { PartitionAssigners } = require('kafkajs')

const PARTITIONS = 6
const WAIT_MS = 30000

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

module.exports = ({ kafka, RUN, check, equal, fails, create, withProducer, admin }) => {
  /* What the members of one group did, by member and by partition. */
  class Crew {
    constructor(name, topic) {
      Object.assign(this, { topic, groupId: `group-${name}-${RUN}`, owned: new Map(), seen: new Map(), generations: [] })
    }

    static async of(name) {
      return new Crew(name, await create(name, PARTITIONS))
    }

    async join(options = {}) {
      const member = kafka.consumer({ groupId: this.groupId, heartbeatInterval: 100, sessionTimeout: 10000,
        maxWaitTimeInMs: 100, rebalanceTimeout: 5000, retry: { retries: 10 }, ...options })
      member.on(member.events.GROUP_JOIN, ({ payload }) => {
        this.owned.set(member, payload.memberAssignment[this.topic] || [])
      })
      await member.connect()
      await member.subscribe({ topic: this.topic, fromBeginning: true })
      await member.run({ autoCommitThreshold: 1, eachMessage: async ({ partition, message }) => {
        this.seen.set(partition, [...(this.seen.get(partition) || []), Number(message.offset)])
      } })
      return member
    }

    async leave(member) {
      await member.disconnect()
      this.owned.delete(member)
    }

    async until(what, holds) {
      const deadline = Date.now() + WAIT_MS
      while (!holds()) {
        check(Date.now() < deadline, `${what}: not within ${WAIT_MS} ms: ${JSON.stringify([...this.owned.values()])}`)
        await sleep(20)
      }
    }

    /* So many members have all partitions between them, none twice, and nobody more than one more. */
    shared(members) {
      const lists = [...this.owned.values()]
      const all = lists.flat().sort((a, b) => a - b)
      return lists.length === members && all.length === PARTITIONS && all.every((p, i) => p === i) &&
        Math.max(...lists.map((l) => l.length)) - Math.min(...lists.map((l) => l.length)) <= 1
    }

    async produce(count) {
      const messages = [...Array(count).keys()].map((i) => ({ value: `value ${i}`, partition: i % PARTITIONS }))
      await withProducer({ idempotent: true, maxInFlightRequests: 1 }, // a retry must not look like a record read twice
        (producer) => producer.send({ topic: this.topic, messages }))
    }

    read() {
      return [...this.seen.values()].reduce((sum, list) => sum + list.length, 0)
    }

    inOrder() {
      for (const [p, list] of this.seen) check(list.every((offset, i) => offset === i), `partition ${p}: ${list}`)
    }
  }

  const rebalance = (name, partitionAssigners) => async () => {
    const crew = await Crew.of(name)
    const first = await crew.join({ partitionAssigners })
    await crew.until('one has all', () => crew.shared(1))
    const others = await Promise.all([crew.join({ partitionAssigners }), crew.join({ partitionAssigners })])
    await crew.until('three share', () => crew.shared(3))
    await crew.produce(600)
    await crew.until('all read', () => crew.read() >= 600)
    await crew.leave(others[0])
    await crew.until('two share', () => crew.shared(2))
    await crew.leave(first)
    await crew.until('one has all again', () => crew.shared(1))
    await crew.leave(others[1])
    equal(crew.read(), 600, 'records, none a second time')
    crew.inOrder()
  }

  async function transact(producer, topic, value, end) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value, partition: 0 }] })
    await transaction[end]()
  }

  /* What a reader of committed records sees, until `last` comes. */
  async function committed(topic, last) {
    const reader = kafka.consumer({ groupId: `reader-${topic}`, readUncommitted: false, maxWaitTimeInMs: 100 })
    const found = []
    await reader.connect()
    await reader.subscribe({ topic, fromBeginning: true })
    await reader.run({ eachMessage: async ({ message }) => found.push(message.value.toString()) })
    for (let i = 0; i < WAIT_MS / 20 && !found.includes(last); i++) await sleep(20)
    await reader.disconnect()
    return found
  }

  return {
    'groups: join, commit, go on': async () => {
      const crew = await Crew.of('group-life')
      await crew.produce(600)
      const first = await crew.join()
      await crew.until('all read', () => crew.read() >= 600)
      await crew.leave(first)
      await crew.produce(300)
      const second = await crew.join()
      await crew.until('the rest read', () => crew.read() >= 900)
      await crew.leave(second)
      equal(crew.read(), 900, 'records, none a second time')
      crew.inOrder()
    },

    'groups: rebalance, round robin': rebalance('rebalance', [PartitionAssigners.roundRobin]),

    'groups: seek, pause, commit by hand': async () => {
      const crew = await Crew.of('hand')
      await crew.produce(60)
      const member = await crew.join({})
      await crew.until('all read', () => crew.read() >= 60)
      member.pause([{ topic: crew.topic }])
      for (let p = 0; p < PARTITIONS; p++) member.seek({ topic: crew.topic, partition: p, offset: '5' })
      member.resume([{ topic: crew.topic }])
      await crew.until('half read again', () => crew.read() >= 90)
      await member.commitOffsets([{ topic: crew.topic, partition: 0, offset: '3' }])
      await crew.leave(member)
      const [{ partitions }] = await admin().fetchOffsets({ groupId: crew.groupId, topics: [crew.topic] })
      equal(partitions.find((p) => p.partition === 0).offset, '3', 'committed')
      equal(partitions.find((p) => p.partition === 1).offset, '10', 'committed by itself')
    },

    'groups: list, describe, delete': async () => {
      const crew = await Crew.of('admin')
      const member = await crew.join()
      await crew.until('it has all', () => crew.shared(1))
      const { groups } = await admin().listGroups()
      equal(groups.find((g) => g.groupId === crew.groupId).protocolType, 'consumer', 'listed')
      const described = (await admin().describeGroups([crew.groupId])).groups[0]
      equal([described.state, described.members.length, described.protocol], ['Stable', 1, 'RoundRobinAssigner'], 'described')
      await fails('NON_EMPTY_GROUP', admin().deleteGroups([crew.groupId]).catch((error) => {
        throw error.groups && error.groups[0].error ? error.groups[0].error : error
      }))
      await crew.leave(member)
      await admin().deleteGroups([crew.groupId])
      check(!(await admin().listGroups()).groups.some((g) => g.groupId === crew.groupId), 'listed after delete')
    },

    'groups: offsets set and reset': async () => {
      const crew = await Crew.of('reset')
      await crew.produce(60)
      const offsets = async () => (await admin().fetchOffsets({ groupId: crew.groupId, topics: [crew.topic] }))[0].partitions
        .sort((a, b) => a.partition - b.partition).map((p) => p.offset)
      await admin().setOffsets({ groupId: crew.groupId, topic: crew.topic,
        partitions: [...Array(PARTITIONS).keys()].map((partition) => ({ partition, offset: '7' })) })
      equal(await offsets(), Array(PARTITIONS).fill('7'), 'set')
      const member = await crew.join()
      await crew.until('the rest read', () => crew.read() >= 18)
      await crew.leave(member)
      equal(crew.read(), 18, 'records from where it was set')
      await admin().resetOffsets({ groupId: crew.groupId, topic: crew.topic, earliest: false })
      equal(await offsets(), Array(PARTITIONS).fill('-1'), 'reset to the end: kafkajs writes -1 for it')
    },

    'transactions: commit and abort': async () => {
      const topic = await create('txn', 1)
      await withProducer({ transactionalId: `txn-${RUN}`, idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
        for (let i = 0; i < 10; i++) await transact(producer, topic, `${i}`, i % 2 === 0 ? 'commit' : 'abort')
      })
      equal(await committed(topic, '8'), ['0', '2', '4', '6', '8'], 'committed')
    },

    'transactions: the newer producer wins': async () => {
      const topic = await create('fenced', 1)
      const options = { transactionalId: `fenced-${RUN}`, idempotent: true, maxInFlightRequests: 1, retry: { retries: 1 } }
      await withProducer(options, async (old) => {
        const transaction = await old.transaction()
        await transaction.send({ topic, messages: [{ value: 'old', partition: 0 }] })
        await withProducer(options, (fresh) => transact(fresh, topic, 'fresh', 'commit'))
        const error = await transaction.commit().then(() => null, (reason) => reason)
        check(error !== null, 'the old one commits')
      })
      equal(await committed(topic, 'fresh'), ['fresh'], 'committed')
    },

    'transactions: offsets of a group': async () => {
      const topic = await create('txn-offsets', 1)
      const consumerGroupId = `txn-offsets-${RUN}`
      const offset = async () => (await admin().fetchOffsets({ groupId: consumerGroupId, topics: [topic] }))[0].partitions[0].offset
      await withProducer({ transactionalId: `txn-offsets-${RUN}`, idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
        for (const [end, sent, expected] of [['abort', '7', '-1'], ['commit', '8', '8']]) {
          const transaction = await producer.transaction()
          await transaction.sendOffsets({ consumerGroupId, topics: [{ topic, partitions: [{ partition: 0, offset: sent }] }] })
          await transaction[end]()
          for (let i = 0; i < 200 && (await offset()) !== expected; i++) await sleep(20)
          equal(await offset(), expected, `after ${end}`)
        }
      })
    },
  }
}
