using Kedge.SystemTests;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Kedge.SystemTests;

/// <summary>
/// Begins with the collections that take minutes, whole meshes, so that they are not what is left at the end, one after the other.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private const string Meshes = "Kedge.SystemTests.Mesh.";

    /// <inheritdoc/>
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderByDescending(one => one.TestCollectionDisplayName.Contains(Meshes, StringComparison.Ordinal))];
}
