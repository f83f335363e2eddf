// What the server makes itself: a thousand rows at the start, numbers of orders, and refusals.
const cds = require('@sap/cds')

const COUNT = 1000
const id = (n) => `${n.toString(16).padStart(8, '0')}-0000-4000-8000-${(n * 7919 % 99991).toString(16).padStart(12, '0')}`
// A third has one stamp (a mass change), a third is a ten-millionth of a second apart, the rest seconds.
const stamp = (n) => {
  if (n % 3 === 0) return '2026-03-01T10:00:00.0000000Z'
  if (n % 3 === 1) return `2026-03-01T10:00:01.${(1000 + n).toString().padStart(7, '0')}Z`
  return new Date(Date.UTC(2026, 2, 1, 11, 0, n)).toISOString()
}

module.exports = class ShopService extends cds.ApplicationService {
  async init() {
    let next = 0
    this.before('CREATE', 'Orders', async (req) => {
      if (!req.data.customer) return req.reject({ status: 400, code: 'CUSTOMER', message: 'An order names its customer' })
      if (!next) next = 4711 + ((await SELECT.one`max(number) as n`.from('shop.Orders'))?.n ?? 0)
      req.data.number = next++
      for (const line of req.data.lines ?? []) line.order_number = req.data.number
    })
    this.on('release', async (req) => {
      const { number } = req.params[0]
      const order = await SELECT.one.from('shop.Orders').where({ number })
      if (!order) return req.reject({ status: 404, code: 'NO_ORDER', message: `There is no order ${number}` })
      if (order.state === 'released') return req.reject({ status: 409, code: 'RELEASED', message: `The order ${number} is released already` })
      await UPDATE('shop.Orders').set({ state: 'released' }).where({ number })
      return SELECT.one.from('shop.Orders').where({ number })
    })
    await super.init()
  }
}

cds.on('served', async () => {
  await INSERT.into('shop.Groups').entries([{ code: 'TEA', label: 'Tea' }, { code: 'CUP', label: 'Cups' }])
  const articles = [], texts = [], stock = []
  for (let n = 0; n < COUNT; n++) {
    const changed = stamp(n)
    articles.push({ id: id(n), sku: `A-${n}`, name: `Article ${n}`, price: (n % 500) + 0.25, weight: n / 3,
      since: '2026-01-31', changed, group_code: n % 2 ? 'TEA' : 'CUP' })
    if (n % 10 === 0) texts.push({ article_id: id(n), language: 'EN', text: `It's article ${n}` })
    stock.push({ article: id(n), place: `P${n % 7}`, lot: n % 5, quantity: n / 8, changed })
  }
  await INSERT.into('shop.Articles').entries(articles)
  await INSERT.into('shop.Texts').entries(texts)
  await INSERT.into('shop.Stock').entries(stock)
})
