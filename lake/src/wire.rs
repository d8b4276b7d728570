//! Columns, files and snapshots on their way between services (`madang.catalog.v1`).

use madang_proto::catalog::v1::{OpenTableResponse, TableColumn, TableFile};

use crate::{Column, ColumnType, DataFile, Error, Result, Schema, Snapshot, TableId};

impl From<&Schema> for Vec<TableColumn> {
    fn from(schema: &Schema) -> Self {
        let column = |column: &Column| TableColumn {
            name: column.name.clone(),
            r#type: column.kind.name().to_owned(),
            nullable: column.nullable,
            metadata: None,
        };
        schema.columns.iter().map(column).collect()
    }
}

impl TryFrom<Vec<TableColumn>> for Schema {
    type Error = Error;

    /// # Errors
    /// [`Error::Invalid`] names the first column whose type is unknown.
    fn try_from(columns: Vec<TableColumn>) -> Result<Self> {
        let column = |column: TableColumn| {
            let kind = ColumnType::parse(&column.r#type)
                .ok_or_else(|| Error::invalid(format!("column '{}' has the unknown type '{}'", column.name, column.r#type)))?;
            Ok(Column { name: column.name, kind, nullable: column.nullable })
        };
        Ok(Self { columns: columns.into_iter().map(column).collect::<Result<_>>()? })
    }
}

impl From<DataFile> for TableFile {
    fn from(file: DataFile) -> Self {
        let DataFile { path, bytes, rows, first_row_id, last_row_id } = file;
        Self { path, bytes, rows, first_row_id, last_row_id }
    }
}

impl From<TableFile> for DataFile {
    fn from(file: TableFile) -> Self {
        let TableFile { path, bytes, rows, first_row_id, last_row_id } = file;
        Self { path, bytes, rows, first_row_id, last_row_id }
    }
}

impl From<Snapshot> for OpenTableResponse {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            table_id: snapshot.table.to_string(),
            version: Some(snapshot.version),
            columns: (&snapshot.schema).into(),
            files: snapshot.files.into_iter().map(TableFile::from).collect(),
        }
    }
}

impl Snapshot {
    /// Reads a resolved version; `None` while the table has none.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the other side speaks of ids or types that are unknown here.
    pub fn from_wire(answer: OpenTableResponse) -> Result<Option<Self>> {
        let Some(version) = answer.version else { return Ok(None) };
        let table: TableId = answer.table_id.parse()?;
        let files = answer.files.into_iter().map(DataFile::from).collect();
        Ok(Some(Self::new(table, version, answer.columns.try_into()?, files)))
    }
}
