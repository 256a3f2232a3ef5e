//! The pickle machine, with the instructions that a dictionary of tensors needs. Python's `pickletools` describes each.

use super::value::{Global, RawTensor, Storage, Value, check_depth, put_inside};
use crate::upscaler_error::PickleError;
use std::rc::Rc;

/// The most values on the stack, in the memo and in all containers together. An ESRGAN of 702 tensors has 24 000.
const MAX_VALUES: usize = 2_000_000;
const CUT: PickleError = PickleError::Broken { reason: "it is cut short" };
const MISMATCH: PickleError = PickleError::Broken { reason: "an instruction does not fit the values before it" };

struct Machine<'p> {
    pickle: &'p [u8],
    at: usize,
    stack: Vec<Value>,
    memo: Vec<Value>,
    values: usize,
}

/// Interprets a pickle and returns its value.
pub(super) fn run(pickle: &[u8]) -> Result<Value, PickleError> {
    let mut machine = Machine { pickle, at: 0, stack: Vec::new(), memo: Vec::new(), values: 0 };
    loop {
        if let Some(value) = machine.step()? {
            return Ok(value);
        }
    }
}

impl Machine<'_> {
    /// Runs one instruction. Returns the pickle's value at its end.
    fn step(&mut self) -> Result<Option<Value>, PickleError> {
        let at = self.at;
        let [opcode] = self.take()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            // PROTO
            0x80 => self.take::<1>().map(drop)?,
            // FRAME
            0x95 => self.take::<8>().map(drop)?,
            b'(' => self.push(Value::Mark)?,
            b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
            b'G' => {
                self.take::<8>()?;
                self.push(Value::Other)?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(number.into()))?;
            }
            b'K' => {
                let [number] = self.take()?;
                self.push(Value::Int(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take()?);
                self.push(Value::Int(number.into()))?;
            }
            // LONG1
            0x8a => {
                let [length] = self.take()?;
                let number = self.long(length.into())?;
                self.push(Value::Int(number))?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.take()?);
                self.text(length as usize)?;
            }
            // SHORT_BINUNICODE
            0x8c => {
                let [length] = self.take()?;
                self.text(length.into())?;
            }
            b']' => self.push(Value::List)?,
            b'}' => self.push(Value::Dict(Rc::default()))?,
            b')' => self.tuple(0)?,
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let count = self.since_mark()?.len();
                self.tuple(count)?;
                self.unmark()?;
            }
            b'q' => {
                let [index] = self.take()?;
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.take()?);
                self.remember(index as usize)?;
            }
            // MEMOIZE
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let [index] = self.take()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.take()?);
                self.recall(index as usize)?;
            }
            b'c' => self.global()?,
            // STACK_GLOBAL
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else { return Err(MISMATCH) };
                self.push_global(&module, &name)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set([(key, value)])?;
            }
            b'u' => {
                let items = self.since_mark()?.to_vec();
                self.stack.truncate(self.stack.len() - items.len());
                self.unmark()?;
                let (pairs, rest) = items.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(MISMATCH);
                }
                self.set(pairs.iter().map(|[key, value]| (key.clone(), value.clone())))?;
            }
            // A list's items are not needed; BUILD sets the metadata of an OrderedDict.
            b'a' | b'b' => self.pop().map(drop)?,
            b'e' => {
                let count = self.since_mark()?.len();
                self.stack.truncate(self.stack.len() - count);
                self.unmark()?;
            }
            b'0' => self.pop().map(drop)?,
            _ => return Err(PickleError::Opcode { opcode, at }),
        }
        Ok(None)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| CUT)
    }

    fn bytes(&mut self, length: usize) -> Result<&[u8], PickleError> {
        let end = self.at.checked_add(length).ok_or(CUT)?;
        let bytes = self.pickle.get(self.at..end).ok_or(CUT)?;
        self.at = end;
        Ok(bytes)
    }

    fn count(&mut self, more: usize) -> Result<(), PickleError> {
        self.values += more;
        match self.values > MAX_VALUES {
            true => Err(PickleError::Limit { what: "number of values", limit: MAX_VALUES as u64 }),
            false => Ok(()),
        }
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        self.count(1)?;
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, PickleError> {
        match self.stack.pop() {
            None | Some(Value::Mark) => Err(MISMATCH),
            Some(value) => Ok(value),
        }
    }

    /// What lies above the topmost mark.
    fn since_mark(&self) -> Result<&[Value], PickleError> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or(MISMATCH)?;
        Ok(&self.stack[mark + 1..])
    }

    /// Removes the topmost mark, which is the last value or the one before a tuple.
    fn unmark(&mut self) -> Result<(), PickleError> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or(MISMATCH)?;
        self.stack.remove(mark);
        Ok(())
    }

    fn tuple(&mut self, count: usize) -> Result<(), PickleError> {
        let from = self.stack.len().checked_sub(count).ok_or(MISMATCH)?;
        let values: Vec<_> = self.stack.drain(from..).collect();
        if values.iter().any(|value| matches!(value, Value::Mark)) {
            return Err(MISMATCH);
        }
        let depth = 1 + values.iter().map(put_inside).max().unwrap_or(0);
        check_depth(depth)?;
        self.push(Value::Tuple(values.into(), depth))
    }

    /// A number of up to eight bytes, in two's complement.
    fn long(&mut self, length: usize) -> Result<i64, PickleError> {
        if length > 8 {
            return Err(PickleError::Limit { what: "number", limit: i64::MAX as u64 });
        }
        let bytes = self.bytes(length)?;
        let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [sign; 8];
        wide[..length].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(wide))
    }

    fn text(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.bytes(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| PickleError::Broken { reason: "a text is not UTF-8" })?;
        let text = Value::Text(text.into());
        self.push(text)
    }

    fn remember(&mut self, index: usize) -> Result<(), PickleError> {
        let value = self.stack.last().cloned().ok_or(MISMATCH)?;
        if index >= self.memo.len() {
            self.count(index + 1 - self.memo.len())?;
            self.memo.resize(index + 1, Value::Other);
        }
        self.memo[index] = value;
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), PickleError> {
        let value = self.memo.get(index).cloned().ok_or(MISMATCH)?;
        self.push(value)
    }

    /// GLOBAL: two lines, module and name.
    fn global(&mut self) -> Result<(), PickleError> {
        let rest = &self.pickle[self.at..];
        let mut lines = rest.splitn(3, |&byte| byte == b'\n');
        let (Some(module), Some(name), Some(_)) = (lines.next(), lines.next(), lines.next()) else { return Err(CUT) };
        self.at += module.len() + name.len() + 2;
        let (module, name) = (String::from_utf8_lossy(module), String::from_utf8_lossy(name));
        self.push_global(&module, &name)
    }

    fn push_global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
        match Global::of(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleError::Global { name: format!("{}.{}", shown(module), shown(name)) }),
        }
    }

    /// BINPERSID: a storage, as `("storage", class, key, device, number of values)`.
    fn storage(&mut self) -> Result<(), PickleError> {
        let Value::Tuple(id, _) = self.pop()? else { return Err(MISMATCH) };
        let [Value::Text(kind), Value::Global(Global::Storage(dtype)), Value::Text(key), _, Value::Int(elements)] =
            &id[..]
        else {
            return Err(MISMATCH);
        };
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        let elements = u64::try_from(*elements).map_err(|_| MISMATCH)?;
        match &**kind == "storage" && is_key {
            true => self.push(Value::Storage(Rc::new(Storage { dtype: *dtype, key: Rc::clone(key), elements }))),
            false => Err(MISMATCH),
        }
    }

    /// REDUCE: calls one of the functions.
    fn call(&mut self) -> Result<(), PickleError> {
        let Value::Tuple(arguments, _) = self.pop()? else { return Err(MISMATCH) };
        match self.pop()? {
            Value::Global(Global::OrderedDict) => self.push(Value::Dict(Rc::default())),
            Value::Global(Global::RebuildTensor) => {
                let [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape, _), Value::Tuple(strides, _), ..] =
                    &arguments[..]
                else {
                    return Err(MISMATCH);
                };
                let sides = |tuple: &[Value]| {
                    tuple
                        .iter()
                        .map(|value| match value {
                            Value::Int(side) => u64::try_from(*side).ok().filter(|&side| side <= u64::from(u32::MAX)),
                            _ => None,
                        })
                        .collect::<Option<Vec<_>>>()
                        .ok_or(MISMATCH)
                };
                let (shape, strides) = (sides(shape)?, sides(strides)?);
                let offset = u64::try_from(*offset).map_err(|_| MISMATCH)?;
                self.push(Value::Tensor(Rc::new(RawTensor { storage: Rc::clone(storage), offset, shape, strides })))
            }
            Value::Global(Global::RebuildParameter) => match arguments.first() {
                Some(tensor @ Value::Tensor(_)) => self.push(tensor.clone()),
                _ => Err(MISMATCH),
            },
            _ => Err(MISMATCH),
        }
    }

    /// Adds items to the dictionary on top of the stack.
    fn set(&mut self, items: impl IntoIterator<Item = (Value, Value)>) -> Result<(), PickleError> {
        let Some(Value::Dict(dict)) = self.stack.last() else { return Err(MISMATCH) };
        let dict = Rc::clone(dict);
        for (key, value) in items {
            let is_itself = matches!(&value, Value::Dict(inner) if Rc::ptr_eq(inner, &dict));
            let depth = dict.depth.get().max(put_inside(&key)).max(put_inside(&value));
            if is_itself || dict.is_inside.get() && depth > dict.depth.get() {
                return Err(PickleError::Broken { reason: "a container grows after another holds it" });
            }
            check_depth(depth)?;
            dict.depth.set(depth);
            self.count(2)?;
            dict.entries.borrow_mut().push((key, value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(pickle: &[u8]) -> PickleError {
        run(pickle).expect_err("it is refused")
    }

    #[test]
    fn only_what_weights_need_may_be_named() {
        for name in
            ["os\nsystem", "builtins\neval", "torch\nload", "torch._utils\n_rebuild_tensor", "collections\nCounter"]
        {
            let pickle = format!("c{name}\n.");
            assert_eq!(error_of(pickle.as_bytes()), PickleError::Global { name: name.replace('\n', ".") });
        }
        assert!(matches!(error_of(b"\x8c\x02os\x8c\x06system\x93."), PickleError::Global { .. }));
        // INST, OBJ, NEWOBJ, EXT1 and BINPERSID's text form would call or load something too.
        for opcode in [b'i', b'o', 0x81, 0x82, b'P', b'I', b'S'] {
            assert_eq!(error_of(&[b'}', opcode, b'.']), PickleError::Opcode { opcode, at: 1 });
        }
    }

    #[test]
    fn memory_and_nesting_are_bounded() {
        let deep = [&b")"[..], &[0x85; 100], b"."].concat();
        assert!(matches!(error_of(&deep), PickleError::Limit { what: "depth of nesting", .. }));
        assert!(matches!(error_of(b"}r\xff\xff\xff\xff."), PickleError::Limit { what: "number of values", .. }));
        assert!(matches!(error_of(b"X\xff\xff\xff\xff"), PickleError::Broken { .. }));
        let many = [&b"}"[..], &b"N".repeat(MAX_VALUES), b"."].concat();
        assert!(matches!(error_of(&many), PickleError::Limit { what: "number of values", .. }));
    }

    /// Dropping a long chain of dictionaries would overflow the stack; a cycle would never be freed.
    #[test]
    fn dictionaries_form_no_chain_and_no_cycle() {
        // d0 = {}; d1 = {}; d0["k"] = d1; d1["k"] = d0
        let cycle = b"}q\x00}q\x010h\x00X\x01\0\0\0kh\x01s0h\x01X\x01\0\0\0kh\x00s.";
        let itself = b"}q\x00X\x01\0\0\0kh\x00s.";
        // d0["k"] = d1; then d1["k"] = d2
        let chain = b"}q\x00}q\x010}q\x020h\x00X\x01\0\0\0kh\x01s0h\x01X\x01\0\0\0kh\x02s.";
        for pickle in [&cycle[..], itself, chain] {
            assert!(matches!(
                error_of(pickle),
                PickleError::Broken { reason: "a container grows after another holds it" }
            ));
        }
    }

    #[test]
    fn numbers_and_texts_are_read() {
        let Ok(Value::Tuple(values, 1)) =
            run(b"\x80\x02(K\xffM\x01\x01J\xfe\xff\xff\xff\x8a\x02\x00\x80X\x02\0\0\0\xc3\xa9t.")
        else {
            panic!("it is a tuple")
        };
        let [Value::Int(255), Value::Int(257), Value::Int(-2), Value::Int(-32768), Value::Text(text)] = &values[..]
        else {
            panic!("{values:?}")
        };
        assert_eq!(&**text, "é");
    }
}
