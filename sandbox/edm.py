"""The entity model of the ERP emulator and its `$metadata` document.

Names, types and lengths follow the vendor's published services (API_PRODUCT_SRV, API_MATERIAL_STOCK_SRV,
API_SALES_ORDER_SRV and the pricing condition service); only the fields a retailer's sync needs are there.
`A_SlsPrcgConditionRecord` carries Material, sales area and LastChangeDateTime itself, where the vendor spreads them
over a second entity: that is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

EDM = "http://schemas.microsoft.com/ado/2008/09/edm"


@dataclass(frozen=True)
class Property:
    name: str
    type: str
    length: int | None = None
    scale: int | None = None
    label: str = ""
    writable: bool = True


@dataclass(frozen=True)
class Navigation:
    name: str
    target: str
    many: bool
    on: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EntityType:
    set: str
    label: str
    keys: tuple[str, ...]
    properties: tuple[Property, ...]
    navigations: tuple[Navigation, ...] = ()
    etag: str | None = None
    indexed: tuple[str, ...] = ()
    by_name: dict[str, Property] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {item.name: item for item in self.properties})

    @property
    def type_name(self) -> str:
        return f"{self.set}Type"

    def navigation(self, name: str) -> Navigation | None:
        return next((item for item in self.navigations if item.name == name), None)


@dataclass(frozen=True)
class Service:
    name: str
    entities: tuple[EntityType, ...]

    @property
    def root(self) -> str:
        return f"/sap/opu/odata/sap/{self.name}/"

    def entity(self, name: str) -> EntityType | None:
        return next((item for item in self.entities if item.set == name), None)


def _text(name: str, length: int, label: str = "", *, writable: bool = True) -> Property:
    return Property(name, "Edm.String", length, None, label, writable)


def _date(name: str, label: str = "", *, writable: bool = True) -> Property:
    return Property(name, "Edm.DateTime", None, None, label, writable)


def _changed(label: str = "Last Changed") -> Property:
    return Property("LastChangeDateTime", "Edm.DateTimeOffset", None, None, label, False)


def _decimal(name: str, length: int, scale: int, label: str = "", *, writable: bool = True) -> Property:
    return Property(name, "Edm.Decimal", length, scale, label, writable)


def _flag(name: str, label: str = "") -> Property:
    return Property(name, "Edm.Boolean", None, None, label)


_PRODUCT_KEY = (("Product", "Product"),)

PRODUCT = Service(
    "API_PRODUCT_SRV",
    (
        EntityType(
            "A_Product",
            "Product",
            ("Product",),
            (
                _text("Product", 40, "Product"),
                _text("ProductType", 4, "Product Type"),
                _text("CrossPlantStatus", 2, "CrossPlantProdStatus"),
                _date("CreationDate", "Created On", writable=False),
                _text("CreatedByUser", 12, "Created by", writable=False),
                _date("LastChangeDate", "Last Change", writable=False),
                _text("LastChangedByUser", 12, "Changed by", writable=False),
                _changed(),
                _flag("IsMarkedForDeletion", "Marked for Deletion"),
                _text("ProductOldID", 40, "Old product number"),
                _decimal("GrossWeight", 13, 3, "Gross weight"),
                _text("WeightUnit", 3, "Weight unit"),
                _decimal("NetWeight", 13, 3, "Net weight"),
                _text("CountryOfOrigin", 3, "Country of origin"),
                _text("ProductGroup", 9, "Product Group"),
                _text("BaseUnit", 3, "Base Unit of Measure"),
                _text("ItemCategoryGroup", 4, "Gen. item cat. grp"),
                _text("ProductHierarchy", 18, "Product hierarchy"),
                _text("Division", 2, "Division"),
                _text("Brand", 4, "Brand"),
                _date("ValidityStartDate", "Valid From"),
                _text("SizeOrDimensionText", 32, "Size/dimensions"),
                _text("ProductStandardID", 18, "GTIN"),
                _text("InternationalArticleNumberCat", 2, "EAN category"),
                _flag("IsBatchManagementRequired", "Batch Management"),
            ),
            (
                Navigation("to_Description", "A_ProductDescription", True, _PRODUCT_KEY),
                Navigation("to_Plant", "A_ProductPlant", True, _PRODUCT_KEY),
                Navigation("to_SalesDelivery", "A_ProductSalesDelivery", True, _PRODUCT_KEY),
                Navigation("to_Valuation", "A_ProductValuation", True, _PRODUCT_KEY),
            ),
            etag="LastChangeDateTime",
        ),
        EntityType(
            "A_ProductDescription",
            "Product Description",
            ("Product", "Language"),
            (
                _text("Product", 40, "Product"),
                _text("Language", 2, "Language Key"),
                _text("ProductDescription", 40, "Description"),
            ),
            indexed=("Product",),
        ),
        EntityType(
            "A_ProductPlant",
            "Plant Data",
            ("Product", "Plant"),
            (
                _text("Product", 40, "Material"),
                _text("Plant", 4, "Plant"),
                _text("ProfileCode", 2, "Plant-Sp.Matl Status"),
                _text("AvailabilityCheckType", 2, "Availability check"),
                _text("CountryOfOrigin", 3, "Country of origin"),
                _text("MRPType", 2, "MRP Type"),
                _text("BaseUnit", 3, "Base Unit of Measure"),
                _flag("IsMarkedForDeletion", "DF at plant level"),
            ),
            indexed=("Product",),
        ),
        EntityType(
            "A_ProductSalesDelivery",
            "Sales Data",
            ("Product", "ProductSalesOrg", "ProductDistributionChnl"),
            (
                _text("Product", 40, "Material"),
                _text("ProductSalesOrg", 4, "Sales Org."),
                _text("ProductDistributionChnl", 2, "Distr. Channel"),
                _text("ProductSalesStatus", 2, "DChain-spec. status"),
                _date("ProductSalesStatusValidityDate", "Valid from"),
                _text("ItemCategoryGroup", 4, "Item category group"),
                _text("BaseUnit", 3, "Base Unit of Measure"),
                _flag("IsMarkedForDeletion", "DF distr.chain lvl"),
            ),
            indexed=("Product",),
        ),
        EntityType(
            "A_ProductValuation",
            "Valuation",
            ("Product", "ValuationArea", "ValuationType"),
            (
                _text("Product", 40, "Material"),
                _text("ValuationArea", 4, "Valuation Area"),
                _text("ValuationType", 10, "Valuation Type"),
                _decimal("StandardPrice", 12, 3, "Standard price"),
                _decimal("PriceUnitQty", 5, 0, "Price unit"),
                _text("Currency", 5, "Currency"),
                _date("PriceLastChangeDate", "Last price change"),
                _text("BaseUnit", 3, "Base Unit of Measure"),
            ),
            indexed=("Product",),
        ),
    ),
)

PRICING = Service(
    "API_SLSPRICINGCONDITIONRECORD_SRV",
    (
        EntityType(
            "A_SlsPrcgConditionRecord",
            "Sales Pricing Condition Record",
            ("ConditionRecord",),
            (
                _text("ConditionRecord", 10, "Condition Record No."),
                _text("ConditionSequentialNumber", 3, "Sequent.no. of cond."),
                _text("ConditionTable", 3, "Condition Table"),
                _text("ConditionApplication", 2, "Application"),
                _text("ConditionType", 4, "Condition type"),
                _text("Material", 40, "Material"),
                _text("SalesOrganization", 4, "Sales Organization"),
                _text("DistributionChannel", 2, "Distribution Channel"),
                _date("ConditionValidityStartDate", "Valid From"),
                _date("ConditionValidityEndDate", "Valid To"),
                _decimal("ConditionRateValue", 24, 9, "Condition Amount"),
                _text("ConditionRateValueUnit", 5, "Condition Currency"),
                _decimal("ConditionQuantity", 5, 0, "Pricing Unit"),
                _text("ConditionQuantityUnit", 3, "Condition Unit"),
                _flag("ConditionIsDeleted", "Deletion Indicator"),
                _date("CreationDate", "Created On", writable=False),
                _changed(),
            ),
            etag="LastChangeDateTime",
            indexed=("Material",),
        ),
    ),
)

_STOCK_SID = (
    "Material",
    "Plant",
    "StorageLocation",
    "Batch",
    "Supplier",
    "Customer",
    "WBSElementInternalID",
    "SDDocument",
    "SDDocumentItem",
    "InventorySpecialStockType",
    "InventoryStockType",
)

STOCK = Service(
    "API_MATERIAL_STOCK_SRV",
    (
        EntityType(
            "A_MaterialStock",
            "Material Stock",
            ("Material",),
            (_text("Material", 40, "Material"), _text("MaterialBaseUnit", 3, "Base Unit of Measure")),
            (Navigation("to_MatlStkInAcctMod", "A_MatlStkInAcctMod", True, (("Material", "Material"),)),),
        ),
        EntityType(
            "A_MatlStkInAcctMod",
            "Material Stock in Account Model",
            _STOCK_SID,
            (
                _text("Material", 40, "Stock Material"),
                _text("Plant", 4, "Plant"),
                _text("StorageLocation", 4, "Storage Location"),
                _text("Batch", 10, "Batch SID"),
                _text("Supplier", 10, "Supplier SID"),
                _text("Customer", 10, "Customer SID"),
                _text("WBSElementInternalID", 24, "WBS Element"),
                _text("SDDocument", 10, "Sales order"),
                _text("SDDocumentItem", 6, "Sales order item"),
                _text("InventorySpecialStockType", 1, "Special Stock Type"),
                _text("InventoryStockType", 2, "Stock Type"),
                _text("MaterialBaseUnit", 3, "Base Unit of Measure"),
                _decimal("MatlWrhsStkQtyInMatlBaseUnit", 31, 14, "Quantity"),
            ),
            (Navigation("to_MaterialStock", "A_MaterialStock", False, (("Material", "Material"),)),),
            indexed=("Material",),
        ),
    ),
)

SALES_ORDER = Service(
    "API_SALES_ORDER_SRV",
    (
        EntityType(
            "A_SalesOrder",
            "Header",
            ("SalesOrder",),
            (
                _text("SalesOrder", 10, "Sales Order", writable=False),
                _text("SalesOrderType", 4, "Sales Order Type"),
                _text("SalesOrganization", 4, "Sales Organization"),
                _text("DistributionChannel", 2, "Distribution Channel"),
                _text("OrganizationDivision", 2, "Division"),
                _text("SoldToParty", 10, "Sold-to Party"),
                _date("CreationDate", "Created On", writable=False),
                _text("CreatedByUser", 12, "Created By", writable=False),
                _text("ExternalDocumentID", 40, "External Document ID"),
                _changed(),
                _text("PurchaseOrderByCustomer", 35, "Customer Reference"),
                _date("CustomerPurchaseOrderDate", "Customer Ref. Date"),
                _date("SalesOrderDate", "Document Date"),
                _decimal("TotalNetAmount", 16, 3, "Net Value", writable=False),
                _text("TransactionCurrency", 5, "Document Currency"),
                _text("OverallSDProcessStatus", 1, "Overall Status", writable=False),
            ),
            (Navigation("to_Item", "A_SalesOrderItem", True, (("SalesOrder", "SalesOrder"),)),),
            etag="LastChangeDateTime",
            indexed=("PurchaseOrderByCustomer", "ExternalDocumentID"),
        ),
        EntityType(
            "A_SalesOrderItem",
            "Item",
            ("SalesOrder", "SalesOrderItem"),
            (
                _text("SalesOrder", 10, "Sales Order", writable=False),
                _text("SalesOrderItem", 6, "Sales Order Item"),
                _text("SalesOrderItemCategory", 4, "Item Category"),
                _text("SalesOrderItemText", 40, "Item Description"),
                _text("Material", 40, "Material"),
                _decimal("RequestedQuantity", 15, 3, "Requested Quantity"),
                _text("RequestedQuantityUnit", 3, "Sales Unit"),
                _decimal("NetAmount", 16, 3, "Net Value"),
                _text("TransactionCurrency", 5, "Document Currency"),
                _text("ProductionPlant", 4, "Plant"),
            ),
            (Navigation("to_SalesOrder", "A_SalesOrder", False, (("SalesOrder", "SalesOrder"),)),),
            indexed=("SalesOrder",),
        ),
    ),
)

SERVICES = {service.name: service for service in (PRODUCT, PRICING, STOCK, SALES_ORDER)}


def metadata(service: Service) -> bytes:
    """The `$metadata` document (EDMX 1.0, OData V2) with the vendor's annotations that a reader relies on."""
    types = "".join(_entity_type(service, entity) for entity in service.entities)
    ends = [(entity, nav) for entity in service.entities for nav in entity.navigations]
    associations = "".join(_association(service, entity, nav) for entity, nav in ends)
    sets = "".join(
        f'<EntitySet Name="{entity.set}" EntityType="{service.name}.{entity.type_name}" sap:content-version="1"/>'
        for entity in service.entities
    )
    association_sets = "".join(
        f'<AssociationSet Name="{_role(entity, nav)}" Association="{service.name}.{_role(entity, nav)}">'
        f'<End EntitySet="{entity.set}" Role="From_{_role(entity, nav)}"/>'
        f'<End EntitySet="{nav.target}" Role="To_{_role(entity, nav)}"/></AssociationSet>'
        for entity, nav in ends
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" '
        'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" '
        'xmlns:sap="http://www.sap.com/Protocols/SAPData">'
        '<edmx:DataServices m:DataServiceVersion="2.0">'
        f'<Schema Namespace="{service.name}" xml:lang="en" sap:schema-version="1" xmlns="{EDM}">'
        f"{types}{associations}"
        f'<EntityContainer Name="{service.name}_Entities" m:IsDefaultEntityContainer="true" '
        'sap:supported-formats="json">'
        f"{sets}{association_sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


def _role(entity: EntityType, nav: Navigation) -> str:
    return f"assoc_{entity.set}_{nav.name}"


def _entity_type(service: Service, entity: EntityType) -> str:
    keys = "".join(f'<PropertyRef Name="{key}"/>' for key in entity.keys)
    properties = "".join(_property(entity, item) for item in entity.properties)
    navigations = "".join(
        f'<NavigationProperty Name="{nav.name}" Relationship="{service.name}.{_role(entity, nav)}" '
        f'FromRole="From_{_role(entity, nav)}" ToRole="To_{_role(entity, nav)}"/>'
        for nav in entity.navigations
    )
    return (
        f'<EntityType Name="{entity.type_name}" sap:label={quoteattr(entity.label)} sap:content-version="1">'
        f"<Key>{keys}</Key>{properties}{navigations}</EntityType>"
    )


def _property(entity: EntityType, item: Property) -> str:
    facets = [f'Name="{item.name}"', f'Type="{item.type}"']
    if item.name in entity.keys:
        facets.append('Nullable="false"')
    if item.type == "Edm.Decimal":
        facets.append(f'Precision="{item.length}" Scale="{item.scale}"')
    elif item.length is not None:
        facets.append(f'MaxLength="{item.length}"')
    elif item.type == "Edm.DateTime":
        facets.append('Precision="0" sap:display-format="Date"')
    elif item.type == "Edm.DateTimeOffset":
        facets.append('Precision="7"')
    if item.name == entity.etag:
        facets.append('ConcurrencyMode="Fixed"')
    if item.label:
        facets.append(f"sap:label={quoteattr(item.label)}")
    if not item.writable:
        facets.append('sap:creatable="false" sap:updatable="false"')
    return f"<Property {' '.join(facets)}/>"


def _association(service: Service, entity: EntityType, nav: Navigation) -> str:
    role = _role(entity, nav)
    return (
        f'<Association Name="{role}" sap:content-version="1">'
        f'<End Type="{service.name}.{entity.type_name}" Multiplicity="{"1" if nav.many else "*"}" Role="From_{role}"/>'
        f'<End Type="{service.name}.{nav.target}Type" Multiplicity="{"*" if nav.many else "1"}" Role="To_{role}"/>'
        "</Association>"
    )
