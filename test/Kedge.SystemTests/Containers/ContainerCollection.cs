namespace Kedge.SystemTests.Containers;

/// <summary>The tests that share one image, one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ContainerCollection : ICollectionFixture<ContainerImage>
{
    /// <summary>Its name.</summary>
    public const string Name = "containers";
}
