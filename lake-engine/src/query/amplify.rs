//! Functions that make much out of little. The engine's memory pool counts what operators keep, not what functions
//! give, so one call could take all memory of the process; here such calls are counted first.
//!
//! * Counted, at most [`SHARE`] of the query's memory for the result of one call on one batch: `repeat`, `lpad`, `rpad`,
//!   `replace`, `regexp_replace`, `overlay`, `concat`, `concat_ws`, `||`, `array_to_string`, `make_array`,
//!   `array_concat`. Their bytes are taken from the pool during the call, so that calls side by side share it.
//! * Counted by [`Kept`]: a literal beyond [`SHORT`] bytes, also one that came of a constant expression, times the rows
//!   that it is repeated for.
//! * Absent: [`DENIED`], functions that take functions, and, in `statement.rs`, UNNEST.
//! * `string_agg`, `array_agg` and other aggregates are counted by the pool itself.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, make_array},
    compute::{
        cast, concat,
        kernels::{concat_elements::concat_elements_dyn, length::length},
    },
    datatypes::{DataType, FieldRef, Int64Type},
};
use datafusion::{
    common::{
        Result, ScalarValue, exec_err,
        tree_node::{Transformed, TreeNode},
    },
    config::ConfigOptions,
    error::DataFusionError,
    execution::{
        SessionStateDefaults,
        memory_pool::{MemoryConsumer, MemoryPool},
    },
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility, expr_rewriter::NamePreserver,
    },
    optimizer::AnalyzerRule,
};

/// The part of a query's memory that one call's result may take.
const SHARE: usize = 4;
/// Bytes of a literal that may be repeated for the rows of a batch without a look.
const SHORT: usize = 1 << 10;
/// Functions whose result grows with a number or an element, not with its input.
const DENIED: [&str; 7] =
    ["array_repeat", "array_resize", "range", "generate_series", "array_replace", "array_replace_n", "array_replace_all"];

/// How the bytes of a result grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Growth {
    /// The first argument as often as the second says.
    Times,
    /// At least as many characters as the second argument says.
    Pad,
    /// The third argument for each place where the second is found in the first.
    Replace,
    /// The third argument for each place, maybe each character, with parts of the first in it.
    Rewrite,
    /// All arguments one after the other.
    Sum,
    /// The first argument between all others.
    Between,
    /// The texts of a list's elements with the other arguments between them.
    Elements,
}

fn growth(name: &str) -> Option<Growth> {
    Some(match name {
        "repeat" => Growth::Times,
        "lpad" | "rpad" => Growth::Pad,
        "replace" => Growth::Replace,
        "regexp_replace" => Growth::Rewrite,
        "concat" | "overlay" | "make_array" | "array_concat" => Growth::Sum,
        "concat_ws" => Growth::Between,
        "array_to_string" => Growth::Elements,
        _ => return None,
    })
}

/// All functions that a statement may use, without counting.
pub(super) fn allowed_functions() -> Vec<Arc<ScalarUDF>> {
    SessionStateDefaults::default_scalar_functions().into_iter().filter(|function| !DENIED.contains(&function.name())).collect()
}

static COUNTED: LazyLock<Vec<(Arc<ScalarUDF>, Growth)>> = LazyLock::new(|| {
    let counted = |function: Arc<ScalarUDF>| growth(function.name()).map(|growth| (function, growth));
    allowed_functions().into_iter().filter_map(counted).collect()
});

/// What a query's calls take their memory from.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    pool: Arc<dyn MemoryPool>,
    most: usize,
}

impl Meter {
    pub(super) fn new(pool: Arc<dyn MemoryPool>, memory_bytes: usize) -> Self {
        Self { pool, most: memory_bytes / SHARE }
    }

    /// The functions that are counted, with this meter.
    pub(super) fn counted_functions(&self) -> Vec<Arc<ScalarUDF>> {
        COUNTED.iter().map(|(function, growth)| self.counted(function.clone(), *growth)).collect()
    }

    fn counted(&self, inner: Arc<ScalarUDF>, growth: Growth) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(Counted { inner, growth, meter: self.clone() }))
    }

    /// Puts [`Kept`] around long literals. For a plan that is optimized already.
    pub(super) fn keep_literals(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let kept = ScalarUDF::from(Kept { meter: self.clone(), signature: Signature::any(1, Volatility::Volatile) });
        let kept = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Values(_) | LogicalPlan::TableScan(_) => Ok(Transformed::no(plan)),
            plan => rewrite(plan, &|expression| match expression {
                Expr::Literal(ref value, _) if value.size() > SHORT => Ok(Transformed::yes(kept.call(vec![expression]))),
                other => Ok(Transformed::no(other)),
            }),
        });
        Ok(kept?.data)
    }

    fn check(&self, bytes: usize) -> Result<()> {
        if bytes > self.most {
            return Err(DataFusionError::ResourcesExhausted(format!("a function's result of {bytes} bytes")));
        }
        Ok(())
    }
}

/// Changes the expressions of one node; its columns keep their names.
fn rewrite(plan: LogicalPlan, change: &dyn Fn(Expr) -> Result<Transformed<Expr>>) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expression| {
        let name = names.save(&expression);
        Ok(expression.transform_up(change)?.update_data(|expression| name.restore(expression)))
    })
}

/// Makes `||` a function, and counts what the parser made a function of by itself, such as `[a, b]`. Runs after the rule
/// that makes both sides of an operator of one type, before anything is computed.
#[derive(Debug)]
pub(super) struct CountAll(pub(super) Meter);

impl AnalyzerRule for CountAll {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let joined = Joined { signature: Signature::any(2, Volatility::Immutable) };
        let joined = self.0.counted(Arc::new(ScalarUDF::from(joined)), Growth::Sum);
        let change = |expression| match expression {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                Ok(Transformed::yes(joined.call(vec![*left, *right])))
            }
            Expr::ScalarFunction(mut call) if !call.func.inner().is::<Counted>() => {
                let Some(growth) = growth(call.func.name()) else { return Ok(Transformed::no(Expr::ScalarFunction(call))) };
                call.func = self.0.counted(call.func, growth);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_up_with_subqueries(|plan| rewrite(plan, &change))?.data)
    }

    fn name(&self) -> &'static str {
        "count_all"
    }
}

/// A function whose result is counted before it is made. What the engine could make of it in advance is not offered:
/// it would be the function without the count.
#[derive(Debug)]
struct Counted {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    meter: Meter,
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        self.inner.inner().schema_name(arguments)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let sizes = sizes(self.growth, &arguments)?;
        let all = sizes.iter().fold(0_usize, |sum, size| sum.saturating_add(*size));
        let reservation = MemoryConsumer::new("function").register(&self.meter.pool);
        reservation.try_grow(all.min(self.meter.most))?;
        if all <= self.meter.most {
            return self.inner.invoke_with_args(arguments);
        }
        match self.growth {
            Growth::Replace | Growth::Rewrite if sizes.len() > 1 => self.in_runs(&arguments, &sizes),
            _ => self.meter.check(all).and_then(|()| exec_err!("a result that is too large")),
        }
    }
}

impl Counted {
    /// A replacement seldom takes what it might: runs of rows that can't take too much, as long as they don't together.
    fn in_runs(&self, arguments: &ScalarFunctionArgs, sizes: &[usize]) -> Result<ColumnarValue> {
        let (mut made, mut bytes, mut start) = (Vec::<ArrayRef>::new(), 0_usize, 0);
        while start < sizes.len() {
            let rows = run(&sizes[start..], self.meter.most);
            self.meter.check(sizes[start..start + rows].iter().fold(0, |sum: usize, size| sum.saturating_add(*size)))?;
            let piece = self.inner.invoke_with_args(slice(arguments, start, rows))?.into_array(rows)?;
            bytes = bytes.saturating_add(piece.get_array_memory_size());
            self.meter.check(bytes)?;
            made.push(piece);
            start += rows;
        }
        let pieces: Vec<&dyn Array> = made.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&pieces)?))
    }
}

/// How many rows, at least one, stay within `most` bytes.
fn run(sizes: &[usize], most: usize) -> usize {
    let mut sum = 0_usize;
    let fitting = sizes.iter().take_while(|size| {
        sum = sum.saturating_add(**size);
        sum <= most
    });
    fitting.count().max(1)
}

fn slice(arguments: &ScalarFunctionArgs, start: usize, rows: usize) -> ScalarFunctionArgs {
    let sliced = arguments.args.iter().map(|argument| match argument {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, rows)),
        scalar @ ColumnarValue::Scalar(_) => scalar.clone(),
    });
    ScalarFunctionArgs { args: sliced.collect(), number_rows: rows, ..arguments.clone() }
}

/// The most bytes that each row of a result can take; one row if the result is the same for all.
fn sizes(growth: Growth, arguments: &ScalarFunctionArgs) -> Result<Vec<usize>> {
    let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { arguments.number_rows };
    let bytes = arguments.args.iter().map(|argument| bytes(argument, rows)).collect::<Result<Vec<_>>>()?;
    let numbers = match (growth, arguments.args.get(1)) {
        (Growth::Times | Growth::Pad, Some(argument)) => numbers(argument, rows)?,
        (Growth::Elements, _) => elements(arguments.args.first(), rows)?,
        _ => Vec::new(),
    };
    let of = |argument: usize, row: usize| bytes.get(argument).and_then(|bytes| bytes.get(row)).copied().unwrap_or(0);
    let sum = |from: usize, row: usize| (from..bytes.len()).fold(0_usize, |sum, argument| sum.saturating_add(of(argument, row)));
    let number = |row: usize| numbers.get(row).copied().unwrap_or(0);
    let size = |row: usize| match growth {
        Growth::Times => of(0, row).saturating_mul(number(row)),
        Growth::Pad => of(0, row).saturating_add(number(row).saturating_mul(WIDEST)),
        Growth::Replace => of(0, row).saturating_add((of(0, row) / of(1, row).max(1) + 1).saturating_mul(of(2, row))),
        Growth::Rewrite => (of(0, row) + 1).saturating_mul(of(2, row) + 1),
        Growth::Sum => sum(0, row),
        Growth::Between => sum(1, row).saturating_add(of(0, row).saturating_mul(bytes.len())),
        Growth::Elements => (of(0, row).saturating_mul(WIDEST)).saturating_add(number(row).saturating_mul(sum(1, row))),
    };
    Ok((0..rows).map(size).collect())
}

/// Bytes of the widest character, and what a number takes as text compared with itself.
const WIDEST: usize = 4;

/// The bytes of an argument in each row; of a list, what a row takes on average.
fn bytes(argument: &ColumnarValue, rows: usize) -> Result<Vec<usize>> {
    let array = match argument {
        ColumnarValue::Array(array) => array.clone(),
        ColumnarValue::Scalar(value) => return Ok(vec![scalar_bytes(value)?; rows]),
    };
    if is_text(array.data_type()) {
        let lengths = cast(&length(&array)?, &DataType::Int64)?;
        return Ok(whole(&lengths));
    }
    Ok(vec![array.to_data().get_slice_memory_size()?.div_ceil(rows.max(1)); rows])
}

fn scalar_bytes(value: &ScalarValue) -> Result<usize> {
    match value.try_as_str() {
        Some(text) => Ok(text.map_or(0, str::len)),
        None => Ok(value.to_array()?.to_data().get_slice_memory_size()?),
    }
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn numbers(argument: &ColumnarValue, rows: usize) -> Result<Vec<usize>> {
    Ok(whole(&cast(&argument.to_array(rows)?, &DataType::Int64)?))
}

/// Numbers of which those below zero and those that are absent count as zero.
fn whole(numbers: &ArrayRef) -> Vec<usize> {
    let Some(numbers) = numbers.as_primitive_opt::<Int64Type>() else { return Vec::new() };
    numbers.iter().map(|number| number.map_or(0, |number| usize::try_from(number).unwrap_or(0))).collect()
}

/// The elements of a list, those of lists in it counted singly, on average.
fn elements(argument: Option<&ColumnarValue>, rows: usize) -> Result<Vec<usize>> {
    let count = match argument {
        None => 0,
        Some(ColumnarValue::Array(array)) => leaves(array),
        Some(ColumnarValue::Scalar(value)) => leaves(&value.to_array()?).saturating_mul(rows),
    };
    Ok(vec![count.div_ceil(rows.max(1)); rows])
}

fn leaves(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let inner = array.to_data().child_data().first().cloned();
            inner.map_or(0, |inner| leaves(&make_array(inner)))
        }
        _ => array.len(),
    }
}

/// Two texts, one after the other; nothing if one is absent.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    signature: Signature,
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &'static str {
        "joined"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Utf8))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let sides = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [left, right] = sides.as_slice() else { return exec_err!("|| needs two sides") };
        let made = concat_elements_dyn(left, &cast(right, left.data_type())?)?;
        if constant { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&made, 0)?)) } else { Ok(ColumnarValue::Array(made)) }
    }
}

/// Gives a literal back if a batch can hold it as often as it has rows.
#[derive(Debug)]
struct Kept {
    meter: Meter,
    signature: Signature,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.meter.pool, &other.meter.pool)
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.meter.most.hash(state);
    }
}

impl ScalarUDFImpl for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Utf8))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let Some(value) = arguments.args.into_iter().next() else { return exec_err!("kept needs its argument") };
        if let ColumnarValue::Scalar(literal) = &value {
            self.meter.check(literal.size().saturating_mul(rows))?;
        }
        Ok(value)
    }
}
