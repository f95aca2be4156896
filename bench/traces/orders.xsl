<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/>
<xsl:key name="by-city" match="order" use="customer/city"/>
<xsl:template match="/orders">
<xsl:for-each select="order[generate-id() = generate-id(key('by-city', customer/city)[1])]">
<xsl:sort select="customer/city"/>
<xsl:value-of select="concat(customer/city, ' ', count(key('by-city', customer/city)), ' ', sum(key('by-city', customer/city)/line/@count))"/><xsl:text>
</xsl:text></xsl:for-each>
<xsl:for-each select="order[@state='open']/line"><xsl:value-of select="substring(concat(@sku, ':', translate(., 'pat', 'PAT')), 1, 12)"/></xsl:for-each>
</xsl:template></xsl:stylesheet>
