// A small retailer: articles with groups and texts, stock by a key of three parts, orders that the server numbers.
namespace shop;

entity Groups {
  key code  : String(4);
      label : String(40);
}

entity Articles {
  key id      : UUID;
      sku     : String(20);
      name    : String(80);
      price   : Decimal(13, 2);
      weight  : Double;
      since   : Date;
      changed : Timestamp @cds.on.insert: $now  @cds.on.update: $now;
      group   : Association to Groups;
      texts   : Composition of many Texts on texts.article = $self;
}

entity Texts {
  key article  : Association to Articles;
  key language : String(2);
      text     : String(200);
}

entity Stock {
  key article  : UUID;
  key place    : String(4);
  key lot      : Integer;
      quantity : Decimal(13, 3);
      changed  : Timestamp @cds.on.insert: $now  @cds.on.update: $now;
}

entity Orders {
  key number    : Integer @Core.Computed;
      reference : String(40);
      customer  : String(40);
      state     : String(10) default 'open';
      changed   : Timestamp @cds.on.insert: $now  @cds.on.update: $now;
      lines     : Composition of many Lines on lines.order = $self;
}

entity Lines {
  key order    : Association to Orders;
  key position : Integer;
      sku      : String(20);
      quantity : Decimal(9, 3);
}

@requires: 'authenticated-user'
@cds.query.limit: { default: 100, max: 100 }
service ShopService @(path: 'shop') {
  entity Groups   as projection on shop.Groups;
  entity Articles as projection on shop.Articles;
  entity Texts    as projection on shop.Texts;
  entity Stock    as projection on shop.Stock;
  entity Lines    as projection on shop.Lines;
  entity Orders   as projection on shop.Orders actions {
    action release(reason : String) returns Orders;
  };
}

annotate ShopService.Orders with { changed @odata.etag };
