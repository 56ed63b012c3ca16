namespace Kedge.Control.Store;

/// <summary>
/// The store could not do its work (the disk is full or broken): nothing of what was asked for is kept, and it may be asked for again.
/// </summary>
public sealed class StoreException(string message, Exception? cause = null) : Exception(message, cause);
